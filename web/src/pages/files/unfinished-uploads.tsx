import { useEffect, useState } from 'preact/hooks'
import { clientFor } from '../../api.ts'
import { Button } from '../../parts/button.tsx'
import { formatBytes } from '../../parts/sizes.ts'
import { forgetUnfinished, listUnfinished, type UnfinishedUpload } from '../../uploads/unfinished.ts'
import type { QueueItem } from './use-queue.ts'

interface Waiting extends UnfinishedUpload {
  /** Bytes that the server has. */
  received: number
}

interface UnfinishedUploadsProps {
  domain: string
  queue: readonly QueueItem[]
  /** Opens the choice of files. */
  onChoose: () => void
}

/**
 * Uploads that the page was closed or loaded anew in. No page may open a file by itself again: whoever chooses it once
 * more goes on with its upload.
 */
export function UnfinishedUploads({ domain, queue, onChoose }: UnfinishedUploadsProps) {
  const [found, setFound] = useState<readonly Waiting[]>([])
  useEffect(() => {
    let isGone = false
    findWaiting(domain).then((waiting) => isGone || setFound(waiting))
    return () => {
      isGone = true
    }
  }, [domain])

  const queued = new Set(queue.map(({ url }) => url))
  const waiting = found.filter(({ url }) => !queued.has(url))
  if (waiting.length === 0) return null

  const discard = async ({ id, url }: Waiting) => {
    setFound((before) => before.filter((upload) => upload.url !== url))
    await forgetUnfinished(url)
    await clientFor(domain).call('DELETE', `/v1/tus/${id}`, { headers: { 'Tus-Resumable': '1.0.0' } })
  }

  return (
    <div class="queue">
      <h2 class="queue-title">Not finished</h2>
      <p class="soft">
        Choose or drop the same {waiting.length === 1 ? 'file' : 'files'} again: the upload goes on where it was.
      </p>
      <ul class="stack tight">
        {waiting.map((upload) => (
          <li key={upload.url} class="queue-item" data-state="unfinished">
            <div class="queue-item-head">
              <span class="queue-item-name">{upload.filename}</span>
              <span class="soft small numeric">
                {formatBytes(upload.received)} of {formatBytes(upload.size)}
              </span>
              <span class="queue-item-actions">
                <Button compact onClick={onChoose} aria-label={`Choose again: ${upload.filename}`}>
                  Choose again
                </Button>
                <Button look="quiet" compact onClick={() => discard(upload)} aria-label={`Discard ${upload.filename}`}>
                  Discard
                </Button>
              </span>
            </div>
            <progress
              class="progress"
              value={upload.received}
              max={upload.size}
              aria-label={`Progress of ${upload.filename}`}
            />
          </li>
        ))}
      </ul>
    </div>
  )
}

/** Those that can still be gone on with; the others are forgotten. */
async function findWaiting(domain: string): Promise<Waiting[]> {
  const uploads = await listUnfinished(domain)
  const waiting = await Promise.all(
    uploads.map(async (upload) => {
      const status = await clientFor(domain)
        .status(upload.id)
        .catch(() => null)
      if (status?.status === 'uploading') return [{ ...upload, received: status.received?.bytes ?? 0 }]
      if (status) await forgetUnfinished(upload.url)
      return []
    }),
  )
  return waiting.flat()
}
