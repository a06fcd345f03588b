import type { Ledger } from './ledger.ts'
import type { SessionView } from './session.ts'

/** Whether the file is joined of pieces, so that its bytes are in R2 and come by no append. */
export function isJoined({ opening }: Ledger): boolean {
  return opening.role.kind === 'joined'
}

/** Whether it is a piece of a file, and no file by itself. */
export function isPartial({ opening }: Ledger): boolean {
  return opening.role.kind === 'partial'
}

/** Whether all bytes are here, and it is known that no more are to come. */
export function isWhole({ opening, progress }: Ledger): boolean {
  const { offset, length, hasEnded } = progress
  return offset === length && (hasEnded || opening.endsBy === 'length')
}

/** Whether all is done: the file is committed, or the piece stored. */
export function isComplete(ledger: Ledger): boolean {
  return ledger.progress.stage === (isPartial(ledger) ? 'stored' : 'committed')
}

/** Where an upload stands of which so many bytes have been received, kept or not. */
export function viewOf(ledger: Ledger, receivedBytes: number): SessionView {
  const { id, domainId, protocol, policy, expiresAt, notes, role } = ledger.opening
  const { offset, length } = ledger.progress
  const limits = { maxBytes: policy.maxFileBytes, maxAppendBytes: policy.maxRequestBytes }
  const known = { id, domainId, protocol, role: role.kind, expiresAt, notes, length, ...limits }
  return { ...known, offset, receivedBytes: Math.max(offset, receivedBytes), isComplete: isComplete(ledger) }
}
