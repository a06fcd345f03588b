/** What a `Range` header asks of `size` bytes: all of them, some of them, or some that are not there. */
export type RangeAnswer =
  | { kind: 'whole' }
  | { kind: 'part'; offset: number; length: number }
  | { kind: 'unsatisfiable' }

/**
 * Reads a `Range` header (RFC 9110 §14.2). Other units, bad syntax and several ranges are answered with the whole, as
 * the RFC allows; a range that begins at or after the end can't be satisfied.
 */
export function parseRange(header: string | null | undefined, size: number): RangeAnswer {
  const match = /^bytes=\s*(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))\s*$/.exec(header ?? '')
  if (!match) return { kind: 'whole' }
  const [, first, last, suffix] = match
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), size)
    return length === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', offset: size - length, length }
  }
  const offset = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < offset) return { kind: 'whole' }
  return offset >= size ? { kind: 'unsatisfiable' } : { kind: 'part', offset, length: end - offset + 1 }
}
