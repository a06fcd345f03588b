/** What ends a name (ISO 32000-1 §7.2.2): blanks and the characters that mean something. */
const endsName = new Uint8Array(256)
for (const character of '\0\t\n\f\r ()<>[]{}/%') endsName[character.charCodeAt(0)] = 1

const slash = 0x2f
const hash = 0x23
/** The names that matter here, with the codes of their characters. */
const wanted = ['JavaScript', 'JS', 'Rendition', 'ObjStm', 'XFA'].map((name) => ({ name, codes: codesOf(name) }))
const firstCodes = new Set(wanted.map(({ codes }) => codes[0]))
const longest = Math.max(...wanted.map(({ codes }) => codes.length))
/** The longest of them with its slash, each character written as # and two digits. */
const longestWritten = 1 + 3 * longest

/**
 * Finds the names that matter among these bytes, wherever they stand, however their characters are written. Looks at
 * the bytes from `from` on, and returns up to where it has: the rest may be a name whose end is not there yet. A file
 * may consist of nothing but slashes, so this is written to be quick.
 */
export function findNames(
  bytes: Uint8Array,
  { from = 0, isLast }: { from?: number; isLast: boolean },
  found: (name: string, at: number) => void,
): number {
  const codes = new Uint8Array(longest)
  // Searched for natively: in pictures, which most of a large document is, a slash is one byte in 256.
  for (let at = bytes.indexOf(slash, from); at >= 0; at = bytes.indexOf(slash, at + 1)) {
    const second = bytes[at + 1]
    if (second === undefined) return isLast ? bytes.length : at
    if (second !== hash && !firstCodes.has(second)) continue
    let end = at + 1
    while (end < bytes.length && end - at <= longestWritten && endsName[bytes[end] as number] === 0) end++
    if (end - at > longestWritten) continue
    if (end === bytes.length && !isLast) return at
    const length = decode(bytes, at + 1, end, codes)
    const match = wanted.find(
      (name) => name.codes.length === length && name.codes.every((code, i) => code === codes[i]),
    )
    if (match) found(match.name, at)
  }
  return bytes.length
}

/** Writes the codes of a name's characters down, and returns how many; more than there is room for is no match. */
function decode(bytes: Uint8Array, from: number, to: number, codes: Uint8Array): number {
  let length = 0
  for (let at = from; at < to; at++) {
    let code = bytes[at] as number
    if (code === hash && at + 2 < to) {
      const [high, low] = [digitOf(bytes[at + 1] as number), digitOf(bytes[at + 2] as number)]
      if (high >= 0 && low >= 0) {
        code = high * 16 + low
        at += 2
      }
    }
    if (length === codes.length) return length + 1
    codes[length++] = code
  }
  return length
}

/** The value of a hexadecimal digit; -1 for what is none. */
function digitOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function codesOf(name: string): number[] {
  return [...name].map((character) => character.charCodeAt(0))
}

/** All names in a text, as they are meant. */
export function namesIn(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/\/([^\0\t\n\f\r ()<>[\]{}/%]{0,127})/g)].map(([, written]) => nameOf(written as string)),
  )
}

/** A name with its characters as they are: any may be written as # and two hexadecimal digits (§7.3.5). */
export function nameOf(written: string): string {
  return written.replace(/#([0-9a-f]{2})/gi, (_all, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}
