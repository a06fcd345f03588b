import { Refusal } from '../../core/errors.ts'
import { type Metadata, metadataSchema } from '../../core/metadata.ts'
import type { Checksum } from '../../resumable/session.ts'

/** `Upload-Metadata` as long as this is no longer notes on a file. */
const mostMetadataCharacters = 8 * 1024

/** The algorithms of the checksum extension that are taken. */
export const checksumAlgorithms = ['sha1', 'sha256', 'md5', 'crc32'] as const

const checksumBytes: Record<(typeof checksumAlgorithms)[number], number> = { sha1: 20, sha256: 32, md5: 16, crc32: 4 }

/** The content type of a body that is bytes of an upload. */
export const offsetOctetStream = 'application/offset+octet-stream'

/** A number of bytes in a header; null when there is no such header. Throws `request-invalid`. */
export function parseBytes(name: string, value: string | undefined): number | null {
  if (value === undefined) return null
  if (/^\d{1,15}$/.test(value)) return Number(value)
  throw new Refusal('request-invalid', `${name} is a whole number of bytes, and not "${value.slice(0, 50)}".`, {
    facts: { field: name },
  })
}

/**
 * The length that a creation announces; null when it is to follow (tus 1.0, creation and creation-defer-length). Throws
 * `request-invalid` unless it is exactly one of the two.
 */
export function announcedLength(length: string | undefined, deferLength: string | undefined): number | null {
  if (deferLength !== undefined && deferLength !== '1') {
    throw new Refusal('request-invalid', 'Upload-Defer-Length is 1, or is left out.')
  }
  if ((length === undefined) === (deferLength === undefined)) {
    throw new Refusal('request-invalid', 'Send either Upload-Length, or Upload-Defer-Length: 1.')
  }
  return parseBytes('Upload-Length', length)
}

/** What `Upload-Metadata` says. */
export interface TusMetadata {
  filename: string | null
  filetype: string | null
  domain: string | null
  /** Every other key: the client's own notes. */
  own: Metadata
}

/**
 * Reads `Upload-Metadata` (tus 1.0, creation): pairs of an ASCII key and a value in base64, which is text in UTF-8. On the
 * apex host `domain` names the domain; elsewhere it is a key like any other. Throws `metadata-invalid`.
 */
export function parseTusMetadata(header: string | undefined, { isApex }: { isApex: boolean }): TusMetadata {
  const pairs = new Map<string, string>()
  if (header !== undefined && header.length > mostMetadataCharacters) {
    throw invalidMetadata(`is longer than ${mostMetadataCharacters} characters`)
  }
  for (const pair of header?.trim() ? header.split(',') : []) {
    const [, key, base64 = ''] = /^\s*([\x21-\x2b\x2d-\x7e]+)(?: +(\S*))?\s*$/.exec(pair) ?? []
    if (key === undefined) throw invalidMetadata(`has no key and value in "${pair.slice(0, 100)}"`)
    if (pairs.has(key)) throw invalidMetadata(`has the key "${key.slice(0, 100)}" twice`)
    pairs.set(key, decodeText(key, base64))
  }
  const take = (key: string) => {
    const value = pairs.get(key) ?? null
    pairs.delete(key)
    return value
  }
  const known = { filename: take('filename'), filetype: take('filetype'), domain: isApex ? take('domain') : null }
  const own = metadataSchema.safeParse(Object.fromEntries(pairs))
  if (own.success) return { ...known, own: own.data }
  const [issue] = own.error.issues
  throw invalidMetadata(`${issue?.path.map(String).join('.') ?? ''} ${issue?.message ?? ''}`.trim())
}

/** Reads `Upload-Checksum` (tus 1.0, checksum); null when there is none. Throws `digest-invalid`. */
export function parseChecksum(header: string | undefined): Checksum | null {
  if (header === undefined) return null
  const [, name, base64 = ''] = /^(\S+) +(\S+)$/.exec(header.trim()) ?? []
  const algorithm = checksumAlgorithms.find((known) => known === name?.toLowerCase())
  if (!algorithm) {
    throw new Refusal('digest-invalid', `Upload-Checksum is one of ${checksumAlgorithms.join(', ')}, and base64.`, {
      facts: { field: 'Upload-Checksum', algorithms: checksumAlgorithms },
    })
  }
  const digest = decodeBase64(base64)
  if (digest?.length === checksumBytes[algorithm]) return { algorithm, digest: digest.toHex() }
  throw new Refusal('digest-invalid', `The ${algorithm} in Upload-Checksum is no ${checksumBytes[algorithm]} bytes.`, {
    facts: { field: 'Upload-Checksum', algorithm },
  })
}

function decodeText(key: string, base64: string): string {
  const bytes = decodeBase64(base64)
  try {
    if (bytes) return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    // Falls through: bytes that are no UTF-8 are no text.
  }
  throw invalidMetadata(`has a value for "${key.slice(0, 100)}" that is no UTF-8 in base64`)
}

function decodeBase64(text: string): Uint8Array | null {
  try {
    return Uint8Array.fromBase64(text)
  } catch {
    return null
  }
}

function invalidMetadata(reason: string): Refusal {
  return new Refusal('metadata-invalid', `The header Upload-Metadata ${reason}.`, {
    facts: { field: 'Upload-Metadata' },
  })
}
