import { Buffer } from 'node:buffer'
import { fileTypeFromBuffer, supportedMimeTypes } from 'file-type'
import { essenceOf } from '../core/media-type.ts'

/** How much of a file's beginning is looked at: enough to find the entries that tell a .docx from another ZIP. */
export const sniffBytes = 64 * 1024

const recognisable: ReadonlySet<string> = new Set([...supportedMimeTypes].map((type) => essenceOf(type) as string))

/** Whether the detector knows this type by its bytes. */
export function isRecognisable(type: string): boolean {
  return recognisable.has(type)
}

/**
 * The media type that a file's first bytes show, or null when they show none. Damaged files are no error. What was
 * `declared` helps only where bytes alone would show too much.
 */
export async function detectType(head: Uint8Array, declared: string | null): Promise<string | null> {
  const found = await fileTypeFromBuffer(head).catch(() => undefined)
  if (found) return essenceOf(found.mime)
  return declared === 'application/pdf' && hasLatePdfHeader(head) ? declared : null
}

/** Readers of PDF look for its header in the first 1,024 bytes: some mailers and scanners put lines before it. */
function hasLatePdfHeader(head: Uint8Array): boolean {
  return Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 1024)).includes('%PDF-')
}
