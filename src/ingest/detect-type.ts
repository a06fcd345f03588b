import { fileTypeFromBuffer, supportedMimeTypes } from 'file-type'
import { essenceOf } from '../core/media-type.ts'

/** How much of a file's beginning is looked at: enough to find the entries that tell a .docx from another ZIP. */
export const sniffBytes = 64 * 1024

const recognisable: ReadonlySet<string> = new Set([...supportedMimeTypes].map((type) => essenceOf(type) as string))

/** Whether the detector knows this type by its bytes. */
export function isRecognisable(type: string): boolean {
  return recognisable.has(type)
}

/** The media type that a file's first bytes show, or null when they show none. Damaged files are no error. */
export async function detectType(head: Uint8Array): Promise<string | null> {
  try {
    return essenceOf((await fileTypeFromBuffer(head))?.mime)
  } catch {
    return null
  }
}
