import { isTextType } from '../core/media-type.ts'
import { inspectArchive } from './archives/archive-facts.ts'
import { BoundedBytes, type ObjectBytes } from './bytes/object-bytes.ts'
import { type PassResult, passOver, type Tap } from './bytes/single-pass.ts'
import type { InspectFacts } from './inspect-facts.ts'
import type { InspectOptions } from './inspect-options.ts'
import { mediaFacts } from './media/media-facts.ts'
import { pdfFacts } from './pdf/pdf-facts.ts'
import { PdfScan } from './pdf/scan.ts'
import { GifTally } from './pictures/gif-tally.ts'
import { factsOf, imageFacts } from './pictures/image-facts.ts'
import { TextTally } from './text/text-tally.ts'

/** What is known of a file before it is looked at. */
export interface KnownFile {
  readonly type: string
  readonly size: number
  /** Hexadecimal. */
  readonly sha256: string
  /** `utf-8` when all of its bytes were found to be that while they came in. */
  readonly charset: 'utf-8' | null
}

/** Where the bytes come from: all of them once, and ranges of them. */
export interface ObjectSource {
  stream: ReadableStream<Uint8Array>
  object: ObjectBytes
  signal: AbortSignal
}

/** `bomb` says, as a sentence for people, why the file must not be unpacked by anybody. */
export type Inspection =
  | { kind: 'facts'; facts: InspectFacts; bomb: string | null }
  | { kind: 'corrupt'; stored: PassResult }

/**
 * Reads an object once, holds it against what was received, and finds out what its format says about it. Facts that
 * can't be told are absent: a damaged file is none of ours. Throws only what the source throws.
 */
export async function inspectObject(
  file: KnownFile,
  { stream, object, signal }: ObjectSource,
  options: InspectOptions,
): Promise<Inspection> {
  const { taps, text, gif, pdf } = tapsFor(file.type)
  const stored = await passOver(stream, file.size, taps, signal)
  if (stored.size !== file.size || stored.sha256 !== file.sha256) return { kind: 'corrupt', stored }
  const bytes = new BoundedBytes(object, stored.kept)
  // What is to be found out of an archive must not be kept from it by what the file is besides: it reads by itself.
  const archive = await inspectArchive(new BoundedBytes(object, stored.kept), options)
  const facts: InspectFacts = {
    size: stored.size,
    sha256: stored.sha256,
    type: file.type,
    ...named('image', gif ? factsOf(gif.finish()) : await imageFacts(file.type, bytes)),
    ...named('pdf', pdf ? await pdfFacts(bytes, pdf.finish()) : undefined),
    ...named('media', await mediaFacts(file.type, bytes)),
    ...named('archive', archive?.facts),
    ...named('text', text?.finish(file.charset === 'utf-8')),
  }
  return { kind: 'facts', facts, bomb: archive?.bomb ?? null }
}

/** What has to see every byte of a file of this type. */
function tapsFor(type: string) {
  const text = isTextType(type) ? new TextTally() : null
  const gif = type === 'image/gif' ? new GifTally() : null
  const pdf = type === 'application/pdf' || type === 'application/illustrator' ? new PdfScan() : null
  const taps: Tap[] = [text, gif, pdf].filter((tap) => tap !== null)
  return { taps, text, gif, pdf }
}

/** A section of the facts, or nothing at all where there is none. */
function named<Name extends string, Facts>(name: Name, facts: Facts | undefined): { [Key in Name]?: Facts } {
  return facts === undefined ? {} : ({ [name]: facts } as { [Key in Name]: Facts })
}
