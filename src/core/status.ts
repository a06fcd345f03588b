/** The statuses of an uploaded file, and the only table that says how one may follow another. */
export const fileStatuses = [
  'uploading',
  'pending',
  'processing',
  'complete',
  'failed',
  'quarantined',
  'deleted',
] as const

export type FileStatus = (typeof fileStatuses)[number]

/** Each move, from every status that it may start in. `db/uploaded-files/` puts these into its guarded updates. */
export const transitions = {
  /** Every byte is stored and counted: the upload has been accepted. */
  commit: { from: ['uploading'], to: 'pending' },
  /** A worker takes the lease; from `processing` only when the lease before it has ended. */
  lease: { from: ['pending', 'processing'], to: 'processing' },
  /** The attempt ended without an answer, or its lease ended: try again later. */
  retry: { from: ['processing'], to: 'pending' },
  complete: { from: ['processing'], to: 'complete' },
  fail: { from: ['processing'], to: 'failed' },
  quarantine: { from: ['processing'], to: 'quarantined' },
  /** Starts the next generation. */
  reprocess: { from: ['complete', 'failed', 'quarantined'], to: 'pending' },
  delete: {
    from: ['uploading', 'pending', 'processing', 'complete', 'failed', 'quarantined'],
    to: 'deleted',
  },
} as const satisfies Record<string, { from: readonly FileStatus[]; to: FileStatus }>

export type Transition = keyof typeof transitions

const terminal: ReadonlySet<FileStatus> = new Set(['complete', 'failed', 'quarantined', 'deleted'])

/** Whether nothing more happens to the file by itself. */
export function isTerminal(status: FileStatus): boolean {
  return terminal.has(status)
}

/** Whether the table has a move from `from` to `to`. */
export function mayFollow(from: FileStatus, to: FileStatus): boolean {
  return Object.values(transitions).some(
    (move) => move.to === to && (move.from as readonly FileStatus[]).includes(from),
  )
}
