import { useEffect, useState } from 'preact/hooks'
import { Button } from '../../parts/button.tsx'
import { ErrorNotice } from '../../parts/notice.tsx'
import { formatBytes } from '../../parts/sizes.ts'
import { useAction } from '../../parts/use-action.ts'
import {
  discardUnfinished,
  forgetUnfinished,
  listUnfinished,
  receivedOf,
  type UnfinishedUpload,
} from '../../uploads/unfinished.ts'
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
  const { isBusy, error, start } = useAction()
  const queued = new Set(queue.map(({ url }) => url))
  useEffect(() => {
    let isGone = false
    findWaiting(domain, queued).then((waiting) => isGone || setFound(waiting))
    return () => {
      isGone = true
    }
  }, [domain])
  // What was in the queue once is waited for no longer, whatever became of it there.
  useEffect(() => {
    if (found.some(({ url }) => queued.has(url))) setFound(found.filter(({ url }) => !queued.has(url)))
  })

  const waiting = found.filter(({ url }) => !queued.has(url))
  if (waiting.length === 0) return null

  const discard = async (upload: Waiting) => {
    await discardUnfinished(domain, upload)
    setFound((before) => before.filter(({ url }) => url !== upload.url))
  }

  return (
    <div class="queue">
      <h2 class="queue-title">Not finished</h2>
      <p class="soft">
        Choose or drop the same {waiting.length === 1 ? 'file' : 'files'} again: the upload goes on where it was.
      </p>
      <ErrorNotice error={error} />
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
                <Button
                  look="quiet"
                  compact
                  disabled={isBusy}
                  onClick={() => start(() => discard(upload))}
                  aria-label={`Discard ${upload.filename}`}
                >
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

/**
 * Those that can still be gone on with; those that can't are forgotten. One of which nobody can tell is asked about the
 * next time, and one that is being sent is left alone: to ask would end the append under way.
 */
async function findWaiting(domain: string, queued: ReadonlySet<string | undefined>): Promise<Waiting[]> {
  const uploads = (await listUnfinished(domain)).filter(({ url }) => !queued.has(url))
  const waiting = await Promise.all(
    uploads.map(async (upload) => {
      const received = await receivedOf(domain, upload).catch(() => undefined)
      if (received === null) await forgetUnfinished(upload.url)
      return typeof received === 'number' ? [{ ...upload, received }] : []
    }),
  )
  return waiting.flat()
}
