import { quoted } from './errors.ts'

/** A structured header value, as in `form-data; name="a"`. */
export interface HeaderParameters {
  /** What stands before the first semicolon, in lower case. */
  value: string
  /** By lower-case name. */
  parameters: Map<string, string>
}

/** Makes the error to throw out of a sentence such as `has no value`. */
export type Refuse = (problem: string) => Error

// Sticky and of one character class each: they cannot backtrack, however hostile the text.
const toEqualsOrSemicolon = /[^=;]*/y
const toSemicolon = /[^;]*/y
const blanks = /[ \t]*/y

/**
 * Parses `value; name=token; name="quoted string"`.
 *
 * In a quoted string only `\"` and `\\` are escapes. Everyone who escapes with backslashes writes just these two (curl,
 * Go, Java, RFC 2045 §5.1), while browsers write backslashes as they are, and old ones whole Windows paths: the
 * backslashes of `C:\dir\file.txt` stay. The price is that a browser's `a\\b` reads `a\b`.
 */
export function parseParameters(text: string, refuse: Refuse): HeaderParameters {
  let at = match(toSemicolon, text, 0)
  const value = text.slice(0, at).trim().toLowerCase()
  const parameters = new Map<string, string>()
  while (at < text.length) {
    const nameStart = at + 1
    at = match(toEqualsOrSemicolon, text, nameStart)
    const name = text.slice(nameStart, at).trim().toLowerCase()
    if (text[at] !== '=') {
      if (name === '') continue
      throw refuse(`has the parameter ${quoted(name)} without a value`)
    }
    if (name === '') throw refuse('has a parameter without a name')
    if (parameters.has(name)) throw refuse(`has the parameter ${quoted(name)} twice`)
    at = match(blanks, text, at + 1)
    if (text[at] === '"') {
      const close = closingQuote(text, at + 1)
      if (close < 0) throw refuse(`has no closing quote for the parameter ${quoted(name)}`)
      parameters.set(name, text.slice(at + 1, close).replace(/\\(["\\])/g, '$1'))
      at = match(blanks, text, close + 1)
      if (at < text.length && text[at] !== ';') throw refuse(`goes on behind the quoted parameter ${quoted(name)}`)
    } else {
      const end = match(toSemicolon, text, at)
      const token = text.slice(at, end).trim()
      if (/[\s"]/.test(token)) throw refuse(`needs quotes around the value of the parameter ${quoted(name)}`)
      parameters.set(name, token)
      at = end
    }
  }
  return { value, parameters }
}

/**
 * Decodes an `ext-value` of RFC 8187 §3.2.1, `UTF-8'en'na%C3%AFve.txt`; RFC 5987 had ISO-8859-1 too. Null when it is
 * none, or in another charset: RFC 6266 §4.3 then falls back to the plain parameter.
 */
export function decodeExtendedValue(text: string): string | null {
  const charsetEnd = text.indexOf("'")
  const languageEnd = text.indexOf("'", charsetEnd + 1)
  if (charsetEnd < 0 || languageEnd < 0) return null
  const value = text.slice(languageEnd + 1)
  try {
    switch (text.slice(0, charsetEnd).toLowerCase()) {
      case 'utf-8':
        return decodeURIComponent(value)
      case 'iso-8859-1':
        if (/%(?![0-9a-f]{2})/i.test(value)) return null
        return value.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
      default:
        return null
    }
  } catch {
    return null
  }
}

/** Where the sticky pattern's match ends that starts at `from`. */
function match(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  pattern.test(text)
  return pattern.lastIndex
}

/** The first quote from `from` on that an even number of backslashes precedes, or -1. */
function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (at - slashes > from && text[at - slashes - 1] === '\\') slashes++
    if (slashes % 2 === 0) return at
  }
  // A browser does not escape the backslash of a file named `a\`: its quote, the last character, was the closing one.
  return text.endsWith('"') && text.length > from ? text.length - 1 : -1
}
