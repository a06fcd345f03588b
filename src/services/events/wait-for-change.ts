import type { Located } from '../../core/jurisdiction.ts'
import type { Watchers } from '../../core/ports.ts'
import { isTerminal } from '../../core/status.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { Database } from '../../db/database.ts'
import { findUpload } from '../find-upload.ts'

export interface WaitOptions {
  seconds: number
  /** The number of the last event that the client knows of; undefined: the newest one now. */
  after: number | undefined
  /** Who waits; null for who is not bounded. */
  client: string | null
}

/**
 * Returns when a file has an event after `after`, has come to its end, or the time is over. Throws as `findUpload` and
 * `Watchers.open` do.
 */
export async function waitForChange(
  { db, watchers }: { db: Database; watchers: Pick<Watchers, 'open'> },
  domain: Located & { id: string },
  id: string,
  { seconds, after, client }: WaitOptions,
): Promise<void> {
  const key = { domainId: domain.id, id }
  const file = await findUpload(db, key)
  const known = after ?? file.lastEvent
  const hasChanged = (now: UploadedFile) => now.lastEvent > known || isTerminal(now.status)
  if (seconds === 0 || hasChanged(file)) return
  const { body } = await watchers.open(domain, { fileId: id, statuses: null, changeAfter: known, client })
  const ended = endOf(body)
  try {
    // Between the first look and the watch it may have changed.
    if (!hasChanged(await findUpload(db, key))) await Promise.race([ended.promise, inSeconds(seconds, ended.signal)])
  } finally {
    await ended.cancel()
  }
}

/** Waits for the end of an empty stream; one that breaks has ended as well. `signal` is aborted then. */
function endOf(body: ReadableStream<Uint8Array>) {
  const reader = body.getReader()
  const over = new AbortController()
  const promise = reader
    .read()
    .catch(() => {})
    .then(() => over.abort())
  return { promise, signal: over.signal, cancel: () => reader.cancel().catch(() => {}) }
}

function inSeconds(seconds: number, until: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000)
    until.addEventListener('abort', () => clearTimeout(timer))
  })
}
