import { Button } from '../../parts/button.tsx'
import { formatBytes } from '../../parts/sizes.ts'
import { refusalText } from '../../uploads/refusal-text.ts'
import { mayTryAgain, type Uploader } from '../../uploads/uploader.ts'
import type { QueueItem } from './use-queue.ts'

/** The files that are on their way, or were a moment ago. */
export function UploadQueue({ uploader, items }: { uploader: Uploader; items: readonly QueueItem[] }) {
  if (items.length === 0) return null
  const over = items.filter(({ state }) => state === 'sent' || state === 'refused')
  const sent = items.filter(({ state }) => state === 'sent').length
  return (
    <div class="queue">
      <div class="row spread">
        <h2 class="queue-title" aria-live="polite">
          {sent} of {items.length} sent
        </h2>
        {over.length > 0 && (
          <Button look="quiet" compact onClick={() => uploader.removeFiles(over.map(({ id }) => id))}>
            Clear finished
          </Button>
        )}
      </div>
      <ul class="stack tight">
        {items.map((item) => (
          <Item key={item.id} item={item} uploader={uploader} />
        ))}
      </ul>
    </div>
  )
}

function Item({ item, uploader }: { item: QueueItem; uploader: Uploader }) {
  const { id, name, size, sent, state, error } = item
  const percent = size === 0 ? 100 : Math.floor((sent / size) * 100)
  const isUnderWay = state === 'sending' || state === 'paused' || state === 'waiting'
  return (
    <li class="queue-item" data-state={state}>
      <div class="queue-item-head">
        <span class="queue-item-name">{name}</span>
        <span class="soft small numeric">{describe()}</span>
        <span class="queue-item-actions">
          {(state === 'sending' || state === 'paused') && (
            <Button compact onClick={() => uploader.pauseResume(id)} aria-label={`${pauseWord()} ${name}`}>
              {pauseWord()}
            </Button>
          )}
          {state === 'refused' && mayTryAgain(error) && (
            <Button compact onClick={() => uploader.retryUpload(id)} aria-label={`Try again: ${name}`}>
              Try again
            </Button>
          )}
          {isUnderWay && (
            <Button look="quiet" compact onClick={() => uploader.removeFile(id)} aria-label={`Cancel ${name}`}>
              Cancel
            </Button>
          )}
        </span>
      </div>
      {isUnderWay && <progress class="progress" value={percent} max={100} aria-label={`Progress of ${name}`} />}
      {error && state === 'refused' && (
        <p class="queue-item-error" role="alert">
          {refusalText(error)}
        </p>
      )}
    </li>
  )

  function describe(): string {
    switch (state) {
      case 'sent':
        return `Sent, ${formatBytes(size)}`
      case 'refused':
        return mayTryAgain(error) ? 'Not sent' : 'Refused'
      case 'waiting':
        return `Waiting, ${formatBytes(size)}`
      case 'paused':
        return `Paused at ${percent} % of ${formatBytes(size)}`
      case 'sending':
        return `${percent} % of ${formatBytes(size)}`
    }
  }

  function pauseWord(): string {
    return state === 'paused' ? 'Resume' : 'Pause'
  }
}
