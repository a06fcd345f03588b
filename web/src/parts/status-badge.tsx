import type { FileStatus } from '../api.ts'
import { liveProgress } from '../live.ts'

const looks: Record<FileStatus, { look: string; label: string }> = {
  uploading: { look: 'busy', label: 'Uploading' },
  pending: { look: 'busy', label: 'Waiting' },
  processing: { look: 'busy', label: 'Processing' },
  complete: { look: 'good', label: 'Complete' },
  failed: { look: 'bad', label: 'Failed' },
  quarantined: { look: 'warn', label: 'Quarantined' },
  deleted: { look: '', label: 'Deleted' },
}

/** The statuses that a list may hold, with their words. */
export const statusLabels = Object.entries(looks)
  .filter(([status]) => status !== 'deleted')
  .map(([status, { label }]) => ({ status: status as FileStatus, label }))

/** A status that an upload had once: nothing goes on in it any more. */
export function PastStatus({ status }: { status: FileStatus }) {
  const { look, label } = looks[status]
  return <span class={`badge ${look === 'busy' ? '' : look}`}>{label}</span>
}

/** The status of an upload in one word, and how far it is while somebody tells. */
export function StatusBadge({ id, status }: { id: string; status: FileStatus }) {
  const { look, label } = looks[status]
  const progress = look === 'busy' ? liveProgress.value.get(id)?.progress : null
  return (
    <span class={`badge ${look}`} data-status={status}>
      {label}
      {progress != null && <span class="numeric"> {Math.floor(progress * 100)} %</span>}
    </span>
  )
}
