import type { Located } from '../core/jurisdiction.ts'
import { timeOfId } from '../core/object-key.ts'
import type { Clock, Log } from '../core/ports.ts'
import { isResumable, type UploadedFile } from '../core/uploaded-file.ts'

export interface EndSessionParts extends Located {
  sessions: { end(domain: Located & { id: string }, id: string): Promise<unknown> }
  /** For how long a session is there after it was opened, in milliseconds. */
  sessionMs: number
  now: Clock
  log: Log
}

/**
 * Ends the session of a deleted file that came in by one: it goes on holding the file's name and metadata, and what has
 * come of one that was not accepted yet. Never throws: a session ends by itself when its time is over.
 */
export async function endSession(
  { sessions, sessionMs, now, log, jurisdiction }: EndSessionParts,
  { id, domainId, protocol }: Pick<UploadedFile, 'id' | 'domainId' | 'protocol'>,
): Promise<void> {
  if (!isResumable(protocol) || now() >= timeOfId(id) + sessionMs) return
  try {
    await sessions.end({ id: domainId, jurisdiction }, id)
  } catch (error) {
    log('warn', 'session-not-ended', { uploadId: id, error })
  }
}
