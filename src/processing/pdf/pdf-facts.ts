import { bufferOf, tellOrNothing, Untellable } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { PdfFacts } from '../inspect-facts.ts'
import { PdfIndex } from './index-of-objects.ts'
import type { PdfScanResult } from './scan.ts'
import { dictionaryIn, integerIn, type PdfDictionary, PdfName } from './values.ts'

/** Readers look for the header in so many bytes (ISO 32000-1 annex H, 3.4.1). */
const headerBytes = 1024

/** What a PDF says about itself, by ranges, and what was found while it passed. */
export async function pdfFacts(bytes: BoundedBytes, scan: PdfScanResult): Promise<PdfFacts | undefined> {
  const head = await bytes.viewUpTo(0, headerBytes)
  const header = /%PDF-(\d\.\d)/.exec(bufferOf(head.bytes).toString('latin1'))
  if (!header) return undefined
  const index = await tellOrNothing(() => PdfIndex.read(bytes, header.index))
  const catalog =
    index && (await tellOrNothing(async () => dictionaryIn(await index.resolve(index.trailer.get('Root')))))
  const pages = index && catalog && (await tellOrNothing(() => pageCount(index, catalog)))
  const hasJavaScript = await javaScriptIn(scan, index)
  return {
    version: newerOf(header[1] as string, catalog?.get('Version')),
    ...(pages === undefined ? {} : { pages }),
    ...(index ? { encrypted: index.isEncrypted } : {}),
    ...(hasJavaScript === undefined ? {} : { hasJavaScript }),
  }
}

async function pageCount(index: PdfIndex, catalog: PdfDictionary): Promise<number> {
  const root = dictionaryIn(await index.resolve(catalog.get('Pages')))
  const kind = root.get('Type')
  if (!(kind instanceof PdfName) || kind.name !== 'Pages') throw new Untellable('This is no page tree.')
  return integerIn(await index.resolve(root.get('Count')))
}

/** An update may be written in a later version than the header says (§7.2.2). */
function newerOf(inHeader: string, inCatalog: unknown): string {
  return inCatalog instanceof PdfName && /^\d\.\d$/.test(inCatalog.name) && inCatalog.name > inHeader
    ? inCatalog.name
    : inHeader
}

/**
 * Whether any object names JavaScript: an action, a list of scripts, or a script of a rendition. Undefined where there
 * may be some that was not seen: in object streams that could not be read, and in forms of XFA, whose scripts have no
 * name in the document.
 */
async function javaScriptIn(scan: PdfScanResult, index: PdfIndex | undefined): Promise<boolean | undefined> {
  const { names } = scan
  if (names.has('JavaScript') || (names.has('JS') && names.has('Rendition'))) return true
  if (!scan.isSure || names.has('XFA') || !index) return undefined
  return (await tellOrNothing(() => allWereRead(scan, index))) ? false : undefined
}

/** Whether all streams that objects are in, by the references, were known as such and read on the way. */
async function allWereRead(scan: PdfScanResult, index: PdfIndex): Promise<boolean> {
  for (const container of index.containers) {
    const place = await index.find(container)
    if (place?.kind !== 'at' || !scan.hasRead(container, index.headerAt + place.offset)) return false
  }
  return true
}
