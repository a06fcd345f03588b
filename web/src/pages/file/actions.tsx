import { useState } from 'preact/hooks'
import { clientFor, StevedoreError, type UploadDetail } from '../../api.ts'
import { Button } from '../../parts/button.tsx'
import { Confirmation } from '../../parts/dialog.tsx'
import { ErrorNotice } from '../../parts/notice.tsx'
import { goTo, hrefTo } from '../../router.ts'
import { mayDo } from '../../session.ts'

/** What can be done with an upload, by who is signed in. */
export function Actions({ upload }: { upload: UploadDetail }) {
  const [isDeleting, setDeleting] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const { id, domain, filename, status } = upload
  const client = clientFor(domain)
  const isOver = status === 'complete' || status === 'failed' || status === 'quarantined'

  const attempt = (action: () => Promise<unknown>) => () => {
    setError(null)
    action().catch(setError)
  }

  return (
    <>
      {status === 'complete' && (
        <Button look="primary" onClick={attempt(() => download(upload))}>
          Download
        </Button>
      )}
      {isOver && mayDo('upload') && <Button onClick={attempt(() => client.reprocess(id))}>Process again</Button>}
      {mayDo('delete') && (
        <Button look="danger" onClick={() => setDeleting(true)}>
          Delete
        </Button>
      )}
      <ErrorNotice error={error} />
      {isDeleting && (
        <Confirmation
          title="Delete this file?"
          action="Delete"
          onConfirm={async () => {
            await client.delete(id)
            goTo(hrefTo(['files', domain]))
          }}
          onClose={() => setDeleting(false)}
        >
          <p>“{filename}” and everything made of it will be removed. This can’t be undone.</p>
        </Confirmation>
      )}
    </>
  )
}

const linkSeconds = 60

/** Has the browser save the content by a link that ends soon: nothing of a large file goes through the page's memory. */
async function download({ id, domain, filename }: UploadDetail): Promise<void> {
  const client = clientFor(domain)
  try {
    const link = await client.createDownloadLink(id, { filename, expiresInSeconds: linkSeconds })
    save(link.url, filename)
  } catch (error) {
    // A deployment without a signing secret makes no links.
    if (!(error instanceof StevedoreError && error.code === 'misconfigured')) throw error
    const content = await client.download(id)
    const url = URL.createObjectURL(await content.blob())
    save(url, filename)
    URL.revokeObjectURL(url)
  }
}

function save(url: string, filename: string): void {
  const anchor = document.createElement('a')
  anchor.href = url
  anchor.download = filename
  anchor.click()
}
