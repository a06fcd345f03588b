import { Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { ImageHeader } from './header.ts'

/** How far the root element is looked for. */
const rootBytes = 64 * 1024

/** CSS pixels in each absolute unit (CSS Values and Units §6.2). Lengths in others depend on where it is shown. */
const pixelsIn = new Map([
  ['', 1],
  ['px', 1],
  ['in', 96],
  ['cm', 96 / 2.54],
  ['mm', 96 / 25.4],
  ['pt', 96 / 72],
  ['pc', 16],
])

/** SVG: the width and height of the root element, or else of its view box, in CSS pixels, rounded. */
export async function readSvg(bytes: BoundedBytes): Promise<ImageHeader> {
  const text = decode((await bytes.viewUpTo(0, rootBytes)).bytes)
  const attributes = attributesOf(text, rootTag(text))
  const [, , boxWidth, boxHeight] = (attributes.get('viewBox') ?? '')
    .trim()
    .split(/[\s,]+/, 4)
    .map(pixels)
  const [width, height] = [pixels(attributes.get('width')), pixels(attributes.get('height'))]
  const ratio = boxWidth && boxHeight ? boxWidth / boxHeight : undefined
  return {
    format: 'svg',
    width: Math.round(width ?? (height && ratio ? height * ratio : boxWidth) ?? 0),
    height: Math.round(height ?? (width && ratio ? width / ratio : boxHeight) ?? 0),
  }
}

function decode(head: Uint8Array): string {
  const [first, second] = head
  const isBigEndian = (first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c)
  const isLittleEndian = (first === 0xff && second === 0xfe) || (first === 0x3c && second === 0)
  return new TextDecoder(isBigEndian ? 'utf-16be' : isLittleEndian ? 'utf-16le' : 'utf-8').decode(head)
}

/** Where the attributes of the root element begin. Each step goes forward, so that no text takes long. */
function rootTag(text: string): number {
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at)) {
    if (text.startsWith('<?', at)) at = after(text, '?>', at)
    else if (text.startsWith('<!--', at)) at = after(text, '-->', at)
    else if (text.startsWith('<!', at)) at = afterDoctype(text, at)
    else {
      const [, name] = /^<(?:[\w.-]{1,100}:)?([\w.-]{1,100})/.exec(text.slice(at, at + 202)) ?? []
      if (name !== 'svg') break
      return text.slice(at).search(/[\s/>]/) + at
    }
  }
  throw new Untellable('There is no root element.')
}

function after(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from)
  if (at < 0) throw new Untellable('There is no root element so early.')
  return at + mark.length
}

/** A document type may hold declarations, in brackets. */
function afterDoctype(text: string, from: number): number {
  const [bracket, end] = [text.indexOf('[', from), text.indexOf('>', from)]
  return bracket >= 0 && bracket < end ? after(text, '>', after(text, ']', bracket) - 1) : after(text, '>', from)
}

/** The attributes of a tag, by name; the first of a name counts. */
function attributesOf(text: string, start: number): Map<string, string> {
  const attributes = new Map<string, string>()
  const attribute = /\s+([^\s=<>"'/]{1,200})\s{0,100}=\s{0,100}(?:"([^"]*)"|'([^']*)')/y
  attribute.lastIndex = start
  for (let found = attribute.exec(text); found; found = attribute.exec(text)) {
    const [, name, inDouble, inSingle] = found
    if (name !== undefined && !attributes.has(name)) attributes.set(name, inDouble ?? inSingle ?? '')
  }
  return attributes
}

/** A length in CSS pixels; undefined when it is none, or depends on what is around. */
function pixels(length: string | undefined): number | undefined {
  const [, number, unit] =
    /^\s{0,100}\+?(\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})([a-z]{0,2})\s{0,100}$/.exec(length ?? '') ?? []
  const factor = pixelsIn.get(unit ?? '')
  const value = number === undefined || factor === undefined ? 0 : Number(number) * factor
  return value > 0 ? value : undefined
}
