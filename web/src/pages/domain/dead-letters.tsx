import { askPage, type DeadLetter, tell } from '../../administration.ts'
import { Button } from '../../parts/button.tsx'
import { Empty } from '../../parts/empty.tsx'
import { Listed } from '../../parts/listed.tsx'
import { ErrorNotice } from '../../parts/notice.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Time } from '../../parts/time.tsx'
import { useAction } from '../../parts/use-action.ts'
import { usePages } from '../../parts/use-pages.ts'
import { hrefTo } from '../../router.ts'
import type { TabProps } from './tab.ts'

/** Jobs that were given up. */
export function DeadLetters({ domain: { slug } }: TabProps) {
  const letters = usePages<DeadLetter>(
    (cursor, signal) => askPage('/v1/admin/dead-letters', 'deadLetters', { query: { domain: slug }, cursor, signal }),
    [slug],
  )
  const { isBusy, error, start } = useAction()
  const retry = async (id: string) => {
    await tell('POST', `/v1/admin/dead-letters/${id}/retry`)
    letters.reload()
  }
  return (
    <Panel title="Dead letters" about="Jobs that their queue has given up. Nothing of them is lost: send them again.">
      {error != null && (
        <div class="panel-body">
          <ErrorNotice error={error} />
        </div>
      )}
      <Listed
        what="dead letters"
        pages={letters}
        empty={<Empty title="No dead letters">Every job of this domain has come to its end, or is under way.</Empty>}
      >
        {(items) => (
          <table class="table cards">
            <thead>
              <tr>
                <th scope="col">Job</th>
                <th scope="col">Reason</th>
                <th scope="col">Given up</th>
                <th scope="col" class="end">
                  <span class="unseen">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map(({ id, kind, rowId, reason, createdAt }) => (
                <tr key={id}>
                  <td data-label="Job">
                    {kind === 'process' ? <a href={hrefTo(['files', slug, rowId])}>Process a file</a> : kind}
                  </td>
                  <td data-label="Reason" class="dead-reason">
                    {reason}
                  </td>
                  <td data-label="Given up" class="numeric soft">
                    <Time at={createdAt} />
                  </td>
                  <td class="end">
                    <Button compact disabled={isBusy} onClick={() => start(() => retry(id))}>
                      Send again
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Listed>
    </Panel>
  )
}
