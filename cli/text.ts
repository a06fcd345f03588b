import { WrongUse } from './errors.ts'

/** Controls, and the characters that reorder text: what a stranger's filename could play with a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const unsafeCharacters = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Text from anywhere, safe to show on a terminal. Line feeds stay. */
export function printable(text: string): string {
  return text.replace(unsafeCharacters, '\ufffd')
}

const bytesPerUnit = new Map([
  ['', 1],
  ['b', 1],
  ...['k', 'm', 'g', 't'].flatMap((letter, index): [string, number][] => [
    [`${letter}b`, 1000 ** (index + 1)],
    [`${letter}ib`, 1024 ** (index + 1)],
  ]),
])

/** Reads a size such as `10MB`, `1.5 GiB` or `4096` as bytes. Throws `WrongUse`; `what` names the value in it. */
export function parseBytes(text: string, what: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? []
  const bytes = Number(number) * (bytesPerUnit.get(unit.toLowerCase()) ?? Number.NaN)
  if (number !== '' && Number.isSafeInteger(bytes)) return bytes
  throw new WrongUse(
    `${what}: "${text}" is no whole number of bytes. Write 10MB (10,000,000), 10MiB (10,485,760), or 4096.`,
  )
}

const secondsPerUnit = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3600],
  ['d', 86_400],
])

/** Reads a duration such as `90s`, `15m`, `12h` or `30d` as seconds. Throws `WrongUse`. */
export function parseDuration(text: string, what: string): number {
  const [, number = '', unit = ''] = /^(\d+)\s*([smhd])$/.exec(text.trim()) ?? []
  const seconds = Number(number) * (secondsPerUnit.get(unit) ?? Number.NaN)
  if (seconds > 0 && Number.isSafeInteger(seconds)) return seconds
  throw new WrongUse(`${what}: "${text}" is no duration. Write it like 90s, 15m, 12h or 30d.`)
}

/**
 * Reads a moment: a date, a date with a time, or a duration counted from now, forward or back. Gives ISO 8601 in UTC.
 * Throws `WrongUse`.
 */
export function parseMoment(text: string, what: string, now: number, direction: 'ago' | 'from now'): string {
  if (/^\d+\s*[smhd]$/.test(text.trim())) {
    const ms = parseDuration(text, what) * 1000
    return new Date(direction === 'ago' ? now - ms : now + ms).toISOString()
  }
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(time)) return new Date(time).toISOString()
  throw new WrongUse(
    `${what}: "${text}" is no time. Write 2027-01-31, 2027-01-31T12:00:00Z, or 30d for 30 days ${direction}.`,
  )
}

/** Reads a whole number of at least `least`. Throws `WrongUse`. */
export function parseCount(text: string, what: string, least = 1): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (count >= least) return count
  throw new WrongUse(`${what}: "${text}" is no whole number from ${least} up.`)
}

/** The items of a comma-separated list, without the space around them. */
export function parseList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** Splits `name=value` at its first equals sign. Throws `WrongUse`. */
export function parseAssignment(text: string, what: string): [name: string, value: string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at).trim(), text.slice(at + 1).trim()]
  throw new WrongUse(`${what}: "${text}" is no name=value.`)
}

/** Names and values under each other, the values aligned. */
export function renderFields(fields: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length))
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`.trimEnd()).join('\n')
}
