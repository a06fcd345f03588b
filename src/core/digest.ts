import { Refusal } from './errors.ts'

/** The algorithms of RFC 9530 that are taken and given; the registry's others are too weak to promise anything. */
export const digestAlgorithms = ['sha-256', 'sha-512'] as const
export type DigestAlgorithm = (typeof digestAlgorithms)[number]

/** What a client says the bytes hash to, by algorithm. */
export type ExpectedDigests = ReadonlyMap<DigestAlgorithm, Uint8Array>

const digestBytes: Record<DigestAlgorithm, number> = {
  'sha-256': 32,
  'sha-512': 64,
}

/**
 * Reads a `Content-Digest` or `Repr-Digest` field (RFC 9530 §2, a dictionary of RFC 8941 byte sequences). Algorithms
 * that are not known here are passed over, as the RFC asks; a known one with an impossible value is `digest-invalid`.
 */
export function parseDigestField(field: string, value: string | null | undefined): ExpectedDigests {
  const expected = new Map<DigestAlgorithm, Uint8Array>()
  for (const member of (value ?? '').split(',')) {
    if (member.trim() === '') continue
    const match = /^\s*([a-z0-9*][a-z0-9_.*-]*)\s*=\s*:([A-Za-z0-9+/]*={0,2}):\s*(;.*)?$/i.exec(member)
    if (!match) {
      throw new Refusal('digest-invalid', `The ${field} field can't be read. Write it as: sha-256=:<base64>:`, {
        facts: { field },
      })
    }
    const algorithm = digestAlgorithms.find((known) => known === match[1]?.toLowerCase())
    if (algorithm) expected.set(algorithm, decode(field, algorithm, match[2] as string))
  }
  return expected
}

/** Joins what several fields promise; two that differ for one algorithm can't both be true. */
export function joinDigests(...all: readonly ExpectedDigests[]): ExpectedDigests {
  const joined = new Map<DigestAlgorithm, Uint8Array>()
  for (const [algorithm, digest] of all.flatMap((expected) => [...expected])) {
    const other = joined.get(algorithm)
    if (other && !equalBytes(other, digest)) {
      throw new Refusal(
        'digest-invalid',
        `Two digest fields promise different ${algorithm} values for the same bytes.`,
        {
          facts: { algorithm },
        },
      )
    }
    joined.set(algorithm, digest)
  }
  return joined
}

/** A `Repr-Digest` value for bytes with this SHA-256, given in hexadecimal. */
export function reprDigest(sha256: string): string {
  const bytes = Array.from({ length: 32 }, (_, index) => Number.parseInt(sha256.slice(index * 2, index * 2 + 2), 16))
  return `sha-256=:${btoa(String.fromCharCode(...bytes))}:`
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

function decode(field: string, algorithm: DigestAlgorithm, base64: string): Uint8Array {
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
    if (bytes.length === digestBytes[algorithm]) return bytes
  } catch {
    // Falls through to the refusal: what atob can't read is no digest either.
  }
  throw new Refusal(
    'digest-invalid',
    `The ${algorithm} value in ${field} is no ${digestBytes[algorithm]}-byte value in base64.`,
    {
      facts: { field, algorithm },
    },
  )
}
