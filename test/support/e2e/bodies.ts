import { createHash } from 'node:crypto'

/** Numbers from 0 to below 1 that depend on the seed alone (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bytes that look like nothing known and depend on the seed alone. */
export function noise(bytes: number, seed = 1): Buffer {
  const buffer = Buffer.alloc(bytes)
  const random = randomFrom(seed)
  for (let at = 0; at + 4 <= bytes; at += 4) buffer.writeUInt32LE(Math.floor(random() * 2 ** 32), at)
  // A NUL at the start keeps every detector and text check from seeing something in it.
  if (bytes > 0) buffer[0] = 0
  return buffer
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export const boundary = 'stevedore-test-boundary'
export const multipartType = `multipart/form-data; boundary=${boundary}`

export interface FormPart {
  name: string
  filename?: string
  type?: string
  content: Uint8Array | string
  /** More header lines, each without its CRLF. */
  headers?: string[]
}

/** A multipart/form-data body, written out by hand. */
export function formBody(parts: readonly FormPart[]): Buffer {
  return Buffer.concat([
    ...parts.flatMap((part) => [partHead(part), Buffer.from(part.content), Buffer.from('\r\n')]),
    Buffer.from(`--${boundary}--\r\n`),
  ])
}

/** The delimiter and the header of one part, up to its first byte. */
export function partHead({ name, filename, type, headers = [] }: FormPart): Buffer {
  const lines = [
    `--${boundary}`,
    `Content-Disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}`,
    ...(type ? [`Content-Type: ${type}`] : []),
    ...headers,
    '',
    '',
  ]
  return Buffer.from(lines.join('\r\n'))
}
