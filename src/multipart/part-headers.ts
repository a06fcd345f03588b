import { type Buffer, isUtf8 } from 'node:buffer'
import { MultipartError, quoted } from './errors.ts'
import { decodeExtendedValue, parseParameters, type Refuse } from './header-parameters.ts'
import { bareLineFeed } from './malformed-body.ts'

/** What a part says about itself. */
export interface PartHeaders {
  name: string
  /** Undefined: the part is a field. Empty: a file input without a choice, as browsers send it. */
  filename: string | undefined
  contentType: string | undefined
  /** By lower-case name. */
  headers: ReadonlyMap<string, string>
}

/** Where a header block stands and how it is to be read. */
export interface HeaderBlock {
  /** The lines, each with its CRLF, without the blank one. */
  bytes: Buffer
  /** The part's number, from 1. */
  part: number
  /** The block's place in the body, in bytes. */
  offset: number
}

/** A token of RFC 9110 §5.6.2, which is what a header's name is made of. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/**
 * Parses the headers of one part: RFC 7578 §4 over RFC 2046 §5.1, with names and filenames as browsers (WHATWG HTML,
 * multipart/form-data encoding algorithm), curl, and RFC 8187 write them. They are UTF-8; the form's `_charset_` is used
 * only for bytes that are not.
 *
 * Throws a MultipartError: `too-many-headers`, `header-malformed`, `header-duplicate`, `bare-line-feed`, `name-missing`,
 * `transfer-encoding-unsupported`.
 */
export function parsePartHeaders(block: HeaderBlock, charset: string | undefined, maxHeaders: number): PartHeaders {
  const headers = parseHeaderLines(block, charset, maxHeaders)
  const refuse = (code: 'header-malformed' | 'name-missing' | 'transfer-encoding-unsupported', problem: string) =>
    new MultipartError(code, `Part ${block.part} ${problem}`, {
      offset: block.offset,
    })

  const encoding = headers.get('content-transfer-encoding')
  if (encoding !== undefined && !/^(7bit|8bit|binary)$/i.test(encoding)) {
    // RFC 7578 §4.7 deprecates the header; taking encoded bytes for the content would store a wrong file.
    throw refuse('transfer-encoding-unsupported', `is encoded as ${quoted(encoding)}: send its bytes as they are`)
  }
  const disposition = headers.get('content-disposition')
  if (disposition === undefined) {
    throw refuse('name-missing', 'has no Content-Disposition header: it must be `form-data; name="…"`')
  }
  const malformed: Refuse = (problem) => refuse('header-malformed', `has a Content-Disposition that ${problem}`)
  const { value, parameters } = parseParameters(disposition, malformed)
  if (value !== 'form-data') {
    throw refuse('name-missing', `has the Content-Disposition ${quoted(value)}: it must be \`form-data; name="…"\``)
  }
  const name = parameterText(parameters, 'name', malformed)
  if (name === undefined) {
    throw refuse('name-missing', 'has no name: its Content-Disposition must be `form-data; name="…"`')
  }
  const filename = parameterText(parameters, 'filename', malformed)
  return { name, filename, contentType: headers.get('content-type'), headers }
}

/** Splits, unfolds (RFC 5322 §2.2.3) and checks the lines. */
function parseHeaderLines({ bytes, part, offset }: HeaderBlock, charset: string | undefined, maxHeaders: number) {
  const text = charset === undefined || isUtf8(bytes) ? bytes.toString('utf8') : decodeLegacy(bytes, charset)
  const headers = new Map<string, string>()
  if (text === '') return headers
  const refuse = (problem: string) =>
    new MultipartError('header-malformed', `The header of part ${part} ${problem}`, { offset })
  if (text.includes('\0')) throw refuse('contains a NUL')
  // Splitting first bounds the lines by the block's size, joining afterwards keeps folded headers linear.
  const lines = text.slice(0, -2).split('\r\n')
  let count = 0
  for (let at = 0; at < lines.length; ) {
    const first = at
    do at++
    while (at < lines.length && /^[ \t]/.test(lines[at] as string))
    const line = lines.slice(first, at).join('')
    if (line.includes('\r')) throw refuse('contains a carriage return without a line feed')
    if (line.includes('\n')) throw bareLineFeed(`The header of part ${part}`, offset)
    if (++count > maxHeaders) {
      const message = `Part ${part} has more than ${maxHeaders} headers`
      throw new MultipartError('too-many-headers', message, {
        limit: maxHeaders,
        offset,
      })
    }
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    if (!token.test(name)) throw refuse(`has the line ${quoted(line)}, which is not \`Name: value\``)
    const key = name.toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = headers.get(key)
    if (before !== undefined && /^content-(disposition|type|transfer-encoding)$/.test(key)) {
      throw new MultipartError('header-duplicate', `Part ${part} has the header ${name} twice`, { offset })
    }
    headers.set(key, before === undefined ? value : `${before}, ${value}`)
  }
  return headers
}

/**
 * A parameter's text: RFC 8187 `name*` before the plain one (RFC 6266 §4.3), and in the latter `%22`, `%0D` and `%0A`
 * undone, the only three that browsers write. They leave every other `%` as it is.
 */
function parameterText(parameters: ReadonlyMap<string, string>, name: string, refuse: Refuse): string | undefined {
  if (parameters.has(`${name}*0`) || parameters.has(`${name}*0*`)) {
    throw refuse(`splits its ${name} into \`${name}*0\`, \`${name}*1\` … (RFC 2231), which is not supported`)
  }
  const extended = parameters.get(`${name}*`)
  const plain = parameters.get(name)
  if (extended !== undefined) {
    const decoded = decodeExtendedValue(extended)
    if (decoded?.includes('\0')) throw refuse(`has a NUL in its ${name}`)
    if (decoded !== null) return decoded
    if (plain === undefined) throw refuse(`has a \`${name}*\` that is not \`UTF-8''percent-encoded\` (RFC 8187)`)
  }
  return plain?.replace(/%(?:22|0D|0A)/g, decodeURIComponent)
}

/** Header bytes in the form's own charset (RFC 7578 §5.1.2); an unknown one is refused where a field's text needs it. */
function decodeLegacy(bytes: Buffer, charset: string): string {
  try {
    return new TextDecoder(charset, { fatal: false, ignoreBOM: true }).decode(bytes)
  } catch {
    return bytes.toString('utf8')
  }
}
