/**
 * Seconds until a `Retry-After` (RFC 9110 §10.2.3), which is a number of them or a date; null when it is neither. `now`
 * is milliseconds since 1970.
 */
export function parseRetryAfter(value: string | null, now: number): number | null {
  if (value === null) return null
  const text = value.trim()
  if (/^\d{1,10}$/.test(text)) return Number(text)
  // The shape of an IMF-fixdate: Date.parse alone takes nearly anything.
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return null
  const time = Date.parse(text)
  return Number.isNaN(time) ? null : Math.max(0, Math.ceil((time - now) / 1000))
}
