/** One preference of a `Prefer` header, and its value (RFC 7240 §2): a token, or a quoted string. */
const preference = /^\s*([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*(?:"([^"]*)"|([^\s;,]*)))?\s*(?:;.*)?$/

/**
 * For how many seconds a client is ready to wait (RFC 7240 §4.3), at most `mostSeconds`. The first `wait` counts; null when
 * there is none that can be read, since preferences which are not understood are to be ignored.
 */
export function readWait(prefer: string | undefined, mostSeconds: number): number | null {
  for (const text of (prefer ?? '').split(',')) {
    const [, name, quoted, plain] = preference.exec(text) ?? []
    if (name?.toLowerCase() !== 'wait') continue
    const value = quoted ?? plain ?? ''
    return /^\d{1,9}$/.test(value) ? Math.min(Number(value), mostSeconds) : null
  }
  return null
}
