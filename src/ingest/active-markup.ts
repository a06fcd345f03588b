import { Buffer } from 'node:buffer'

/** The first bytes of an HTML document (WHATWG MIME Sniffing §7.1), which is what browsers that sniff go by. */
const htmlStart =
  /^(<!--|<(!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)(?=[\t\n\f\r >]))/i

const spaces = /[\t\n\f\r ]*/y
const doctype = /<!doctype[^>[]*/iy
const name = /<[^\t\n\f\r />]*/y
// Of classes that exclude each other, and followed by nothing that could fail: it can't backtrack.
const attributes = /(?:[^>"']+|"[^"]*"|'[^']*')*/y

const typeByNamespace = new Map([
  ['http://www.w3.org/2000/svg', 'image/svg+xml'],
  ['http://www.w3.org/1999/xhtml', 'application/xhtml+xml'],
])

/**
 * The active types that a browser may read a file as whose first bytes these are, whatever it is called: HTML by how it
 * begins, SVG and XHTML by their root element. Where the root can't be known (it lies further behind, or a document type
 * of the file's own says what it means) the answer is both. Empty for everything else, other XML included.
 */
export function activeMarkup(head: Uint8Array): readonly string[] {
  const text = markupText(head)
  if (text === null) return []
  const html = htmlStart.test(text) ? ['text/html'] : []
  return [...html, ...(typesOfRoot(text) ?? typeByNamespace.values())]
}

/** The text from its first `<` on, its letters beyond ASCII left as they fall; null when it does not begin with one. */
function markupText(head: Uint8Array): string | null {
  const encoding = encodingOf(head)
  // A byte order mark; a file in UTF-8 may have one as well.
  let at = encoding === 'latin1' ? (startsWith(head, 0xef, 0xbb, 0xbf) ? 3 : 0) : 0
  if (encoding === 'latin1') {
    while (isSpace(head[at])) at++
    if (head[at] !== 0x3c) return null
    return Buffer.from(head.buffer, head.byteOffset + at, head.byteLength - at).toString('latin1')
  }
  const text = new TextDecoder(encoding).decode(head).trimStart()
  return text.startsWith('<') ? text : null
}

/** UTF-16 by its mark, or by the `<` that XML begins with (XML 1.0 appendix F); else a superset of ASCII. */
function encodingOf(head: Uint8Array): 'utf-16le' | 'utf-16be' | 'latin1' {
  if (startsWith(head, 0xff, 0xfe) || startsWith(head, 0x3c, 0)) return 'utf-16le'
  return startsWith(head, 0xfe, 0xff) || startsWith(head, 0, 0x3c) ? 'utf-16be' : 'latin1'
}

function startsWith(bytes: Uint8Array, ...start: number[]): boolean {
  return start.every((byte, index) => bytes[index] === byte)
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 9 || byte === 10 || byte === 12 || byte === 13
}

/** The active types of the root element; null when it can't be known. */
function typesOfRoot(text: string): string[] | null {
  const start = skipProlog(text)
  if (start === null) return null
  const nameEnd = match(name, text, start)
  const end = match(attributes, text, nameEnd)
  const inside = text.slice(nameEnd, end)
  // Cut off, or a namespace that is spelt with character references.
  if (text[end] !== '>' || inside.includes('&')) return null
  const [local = '', prefix] = text
    .slice(start + 1, nameEnd)
    .split(':')
    .reverse()
  const declared = [...inside.matchAll(/([^\s="']+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)]
  const own = declared.find(([, attribute]) => attribute === (prefix === undefined ? 'xmlns' : `xmlns:${prefix}`))
  // Whoever draws by hand forgets the namespace, and is understood all the same.
  const type = typeByNamespace.get(own?.[2] ?? own?.[3] ?? '') ?? (local === 'svg' ? 'image/svg+xml' : undefined)
  return type === undefined ? [] : [type]
}

/** Where the root begins, behind the XML declaration, comments, processing instructions and document type; or null. */
function skipProlog(text: string): number | null {
  for (let at = 0; ; ) {
    at = match(spaces, text, at)
    let end: number
    if (text.startsWith('<?', at)) end = text.indexOf('?>', at)
    else if (text.startsWith('<!--', at)) end = text.indexOf('-->', at + 4)
    else if (match(doctype, text, at) > at) {
      end = match(doctype, text, at)
      // A subset of its own may give any element any namespace.
      if (text[end] !== '>') return null
    } else return text[at] === '<' ? at : null
    if (end < 0) return null
    at = text.indexOf('>', end) + 1
  }
}

/** Where the sticky pattern's match ends that starts at `from`; `from` when it does not match. */
function match(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : from
}
