import { useState } from 'preact/hooks'
import { at, tell } from '../../administration.ts'
import { Button } from '../../parts/button.tsx'
import { Confirmation } from '../../parts/dialog.tsx'
import { goTo, hrefTo } from '../../router.ts'
import type { TabProps } from './tab.ts'

/** What the administrator does with a whole domain. */
export function DomainActions({ domain, reload }: TabProps) {
  const [asked, setAsked] = useState<'suspend' | 'resume' | 'delete' | 'restore' | null>(null)
  const { slug, suspendedAt, deletedAt } = domain
  const close = () => setAsked(null)
  const change = (work: () => Promise<unknown>) => async () => {
    await work()
    reload()
  }
  if (deletedAt !== null) {
    return (
      <>
        <Button onClick={() => setAsked('restore')}>Restore</Button>
        {asked === 'restore' && (
          <Confirmation
            title={`Restore ${slug}?`}
            action="Restore"
            onConfirm={change(() => tell('POST', at(slug, 'restore')))}
            onClose={close}
          >
            It opens again as it was, with its keys and its files.
          </Confirmation>
        )}
      </>
    )
  }
  return (
    <>
      <a class="button" href={hrefTo(['files', slug])}>
        Files
      </a>
      {suspendedAt === null ? (
        <Button onClick={() => setAsked('suspend')}>Suspend</Button>
      ) : (
        <Button onClick={() => setAsked('resume')}>End the suspension</Button>
      )}
      <Button look="danger" onClick={() => setAsked('delete')}>
        Delete
      </Button>
      {asked === 'suspend' && (
        <Confirmation
          title={`Suspend ${slug}?`}
          action="Suspend"
          onConfirm={change(() => tell('PATCH', at(slug), { suspended: true }))}
          onClose={close}
        >
          It takes no uploads from then on, also of those that are on their way. What it has is still read.
        </Confirmation>
      )}
      {asked === 'resume' && (
        <Confirmation
          title={`Let ${slug} take uploads again?`}
          action="End the suspension"
          onConfirm={change(() => tell('PATCH', at(slug), { suspended: false }))}
          onClose={close}
        >
          Whoever has a credential for it can upload again.
        </Confirmation>
      )}
      {asked === 'delete' && (
        <Confirmation
          title={`Delete ${slug}?`}
          action="Delete"
          onConfirm={async () => {
            await tell('DELETE', at(slug))
            goTo(hrefTo(['domains'], { deleted: 'true' }))
          }}
          onClose={close}
        >
          It is closed at once, for its keys and for everybody. It can be restored for some days; then its files are
          removed for good.
        </Confirmation>
      )}
    </>
  )
}
