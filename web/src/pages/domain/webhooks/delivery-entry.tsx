import { at, type Delivery, type DeliveryStatus, tell } from '../../../administration.ts'
import { Button } from '../../../parts/button.tsx'
import { ErrorNotice } from '../../../parts/notice.tsx'
import { formatDuration } from '../../../parts/sizes.ts'
import { Time } from '../../../parts/time.tsx'
import { useAction } from '../../../parts/use-action.ts'
import { hrefTo } from '../../../router.ts'

const looks: Record<DeliveryStatus, { look: string; label: string }> = {
  waiting: { look: 'busy', label: 'Waiting' },
  delivered: { look: 'good', label: 'Delivered' },
  failed: { look: 'bad', label: 'Failed' },
  cancelled: { look: '', label: 'Cancelled' },
}

interface DeliveryEntryProps {
  slug: string
  delivery: Delivery
  /** Where it goes; null when its endpoint is gone. */
  to: string | null
  onSent: () => void
}

/** One delivery: what it tells, where to, and what came of its last attempt. */
export function DeliveryEntry({ slug, delivery, to, onSent }: DeliveryEntryProps) {
  const { id, type, status, attempts, uploadId, nextAttemptAt, lastAttempt } = delivery
  const { isBusy, error, start } = useAction()
  const sendAgain = async () => {
    await tell('POST', at(slug, 'deliveries', id, 'redeliver'))
    onSent()
  }
  return (
    <li class="entry delivery">
      <div class="row spread">
        <span class="row">
          <span class={`badge ${looks[status].look}`}>{looks[status].label}</span>
          <code>{type}</code>
          {uploadId && <a href={hrefTo(['files', slug, uploadId])}>the file</a>}
        </span>
        <span class="row">
          <span class="soft small numeric">
            <Time at={delivery.createdAt} />
          </span>
          {status !== 'waiting' && (
            <Button compact disabled={isBusy} onClick={() => start(sendAgain)}>
              Send again
            </Button>
          )}
        </span>
      </div>
      <p class="soft small delivery-facts">
        {to ?? 'An endpoint that is gone'} · {attempts === 1 ? '1 attempt' : `${attempts} attempts`}
        {lastAttempt && ` · ${outcomeOf(lastAttempt)} after ${formatDuration(lastAttempt.durationMs)}`}
        {status === 'waiting' && nextAttemptAt && (
          <>
            {' '}
            · next at <Time at={nextAttemptAt} />
          </>
        )}
      </p>
      {lastAttempt?.responseBody && (
        <details>
          <summary class="small">The answer</summary>
          <pre class="answer">{lastAttempt.responseBody}</pre>
        </details>
      )}
      <ErrorNotice error={error} />
    </li>
  )
}

function outcomeOf({ responseStatus, error }: NonNullable<Delivery['lastAttempt']>): string {
  return responseStatus === null ? (error ?? 'no answer') : `answered ${responseStatus}`
}
