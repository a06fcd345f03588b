import { segment } from '../client.ts'
import type { Source } from './source.ts'

/** What is said of a file beside its bytes. */
export interface Declared {
  /** The media type, where the user says one; the server finds it by the bytes. */
  type: string | undefined
  metadata: Record<string, string> | undefined
}

/**
 * Where a file is sent, and with which headers: it is the whole body of its request, so that the server knows its
 * length before the first byte and can refuse it then, and no form's own lines stand between the bytes and their
 * digest. `sha256` is hexadecimal, or null where nobody knows it yet.
 */
export function uploadTarget({ name, size }: Source, sha256: string | null, { type, metadata }: Declared) {
  const headers: Record<string, string> = {
    ...(type !== undefined && { 'content-type': type }),
    ...(size !== null && { 'content-length': `${size}` }),
    ...(sha256 !== null && { 'content-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:` }),
    ...(metadata !== undefined && { 'x-upload-metadata': asciiJson(metadata) }),
  }
  return { path: `/v1/uploads/${segment(name)}`, headers }
}

/** JSON in the characters that a header holds for certain. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
