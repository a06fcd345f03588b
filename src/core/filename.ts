/** File systems and archives agree on 255 bytes a name; a longer one is cut before its extension. */
const maxFilenameBytes = 255

/** C0 and C1 controls, DEL, and the characters that reorder text: none belongs in a name, each has been used to deceive. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const unsafeCharacters = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/**
 * The name under which a file is kept and given back: its last path segment (RFC 7578 §4.2: a path is not to be
 * trusted), in Unicode NFC, without control characters, at most 255 bytes of UTF-8. Never used as a key or a path.
 */
export function cleanFilename(text: string): string {
  const name = text.split(/[/\\]/).at(-1) ?? ''
  // What is removed may have stood between characters that belong together, and what is cut before a space.
  const clean = shorten(name.toWellFormed().replace(unsafeCharacters, '').normalize('NFC').trim()).trimEnd()
  return clean === '' || clean === '.' || clean === '..' ? 'unnamed' : clean
}

/** The last extension of a filename, lower case and without its dot; empty when it has none. */
export function extensionOf(filename: string): string {
  const dot = filename.lastIndexOf('.')
  return dot > 0 ? filename.slice(dot + 1).toLowerCase() : ''
}

const extensionOfType: ReadonlyMap<string, string> = new Map([
  ['image/jpeg', '.jpg'],
  ['image/png', '.png'],
  ['image/webp', '.webp'],
  ['image/avif', '.avif'],
])

/** The name to save a variant under: `harbour.png` has its `thumb` as `harbour-thumb.webp`. */
export function variantFilename(filename: string, { name, type }: { name: string; type: string }): string {
  const dot = filename.lastIndexOf('.')
  const stem = dot > 0 ? filename.slice(0, dot) : filename
  return cleanFilename(`${stem}-${name}${extensionOfType.get(type) ?? ''}`)
}

function shorten(name: string): string {
  if (byteLength(name) <= maxFilenameBytes) return name
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 && byteLength(name.slice(dot)) <= 32 ? name.slice(dot) : ''
  const room = maxFilenameBytes - byteLength(extension)
  let kept = ''
  let bytes = 0
  for (const character of extension === '' ? name : name.slice(0, dot)) {
    bytes += byteLength(character)
    if (bytes > room) break
    kept += character
  }
  return kept + extension
}

const encoder = new TextEncoder()

function byteLength(text: string): number {
  return encoder.encode(text).byteLength
}
