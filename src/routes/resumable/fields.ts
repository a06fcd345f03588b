import { parse as parseDisposition } from 'content-disposition'
import type { AppContext } from '../../context.ts'
import { uploadTokenOf } from '../../core/access.ts'
import type { Domain } from '../../core/domain.ts'
import { parseBoolean, parseSize } from '../../core/structured-field.ts'
import { narrowDomain } from '../../core/upload-token.ts'
import type { SessionView } from '../../resumable/session.ts'

/** The content type of bytes that are appended. */
export const partialUpload = 'application/partial-upload'

/** Since which iteration of the draft something is as it is now; older ones are what older clients speak. */
const renamedToComplete = 4
const wantsPartialUpload = 6
const renamedToMaxAge = 7

/** The iteration of the draft that the client speaks, as `Upload-Draft-Interop-Version` says; without it, the newest. */
function interopVersion(c: AppContext): number {
  return parseSize(c.req.header('upload-draft-interop-version')) ?? Number.POSITIVE_INFINITY
}

/**
 * Whether the end of the body is the end of the upload; null when the request says nothing of it that can be read, and
 * then it is none of the draft's. Clients of interop version 3 say the opposite of it as `Upload-Incomplete`.
 */
export function saysComplete(c: AppContext): boolean | null {
  if (interopVersion(c) >= renamedToComplete) return parseBoolean(c.req.header('upload-complete'))
  const isIncomplete = parseBoolean(c.req.header('upload-incomplete'))
  return isIncomplete === null ? null : !isIncomplete
}

/** Whether an append must be labelled `application/partial-upload`, which the draft knows since interop version 6. */
export function mustBeLabelled(c: AppContext): boolean {
  return interopVersion(c) >= wantsPartialUpload
}

/** The length of the whole upload, if the request says it in a field of its own. */
export function announcedLength(c: AppContext): number | null {
  return parseSize(c.req.header('upload-length'))
}

/** Where in the upload the body begins. */
export function announcedOffset(c: AppContext): number | null {
  return parseSize(c.req.header('upload-offset'))
}

/** The name in `Content-Disposition` (RFC 6266), whatever its disposition type; empty where it has none that can be read. */
export function announcedFilename(c: AppContext): string {
  return parseDisposition(c.req.header('content-disposition') ?? '').parameters.filename ?? ''
}

/** Says how complete an upload is. */
export function setComplete(c: AppContext, isComplete: boolean): void {
  if (interopVersion(c) >= renamedToComplete) c.header('Upload-Complete', isComplete ? '?1' : '?0')
  else c.header('Upload-Incomplete', isComplete ? '?0' : '?1')
}

/** Says where an upload stands, and within which limits. */
export function describeUpload(c: AppContext, view: SessionView): void {
  const { offset, length, isComplete } = view
  c.header('Upload-Offset', String(offset))
  if (length !== null) c.header('Upload-Length', String(length))
  setComplete(c, isComplete)
  describeOwnLimits(c, view)
}

/** Says within which limits an upload is, whatever those of a new one would be. */
export function describeOwnLimits(c: AppContext, { maxBytes, maxAppendBytes, expiresAt }: SessionView): void {
  setLimits(c, { 'max-size': maxBytes, 'max-append-size': maxAppendBytes }, expiresAt - c.get('deps').now())
}

/** Says within which limits a new upload would be, as far as the request lets one know its domain and its credential. */
export function describeLimits(c: AppContext, domain: Domain | null): void {
  const policy = domain && narrowDomain(domain, uploadTokenOf(c.get('credential'))).policy
  const sizes = policy ? { 'max-size': policy.maxFileBytes, 'max-append-size': policy.maxRequestBytes } : {}
  setLimits(c, sizes, c.get('deps').sessionMs)
}

function setLimits(c: AppContext, sizes: Record<string, number>, ageMs: number): void {
  const age = interopVersion(c) >= renamedToMaxAge ? 'max-age' : 'expires'
  const limits = Object.entries({ ...sizes, [age]: Math.max(0, Math.floor(ageMs / 1000)) })
  c.header('Upload-Limit', limits.map(([key, value]) => `${key}=${value}`).join(', '))
}
