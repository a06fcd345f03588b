import { z } from 'zod'

const count = z.number().int().nonnegative()
const pixels = z.number().int().positive()

const imageFacts = z.object({
  format: z.string().describe('Such as `png`, `jpeg` or `heic`: by the bytes.'),
  width: pixels.describe('In pixels, as it is stored.'),
  height: pixels.describe('In pixels, as it is stored.'),
  orientation: z.number().int().min(1).max(8).optional().describe('How it is turned to be shown, as EXIF numbers it.'),
  displayWidth: pixels.describe('In pixels, when it is turned as it is to be shown.'),
  displayHeight: pixels.describe('In pixels, when it is turned as it is to be shown.'),
  animated: z.boolean().optional().describe('Whether it has more than one frame.'),
  frames: count.optional().describe('How many frames it has.'),
})

const pdfFacts = z.object({
  version: z.string().optional().describe('Such as `1.7`: the catalog says, or else the header.'),
  pages: count.optional().describe('As the root of the page tree says.'),
  encrypted: z
    .boolean()
    .optional()
    .describe('Whether its strings and streams are encrypted, with or without a password.'),
  hasJavaScript: z.boolean().optional().describe('Whether any of its objects, in use or not, names JavaScript.'),
})

const archiveFacts = z.object({
  format: z.enum(['zip', 'gzip']),
  unpackedBytes: count.describe('What it says that it unpacks to; of gzip the last member, modulo 4 GiB.'),
  ratio: z.number().nonnegative().describe('Unpacked bytes for each packed one.'),
  entries: count.optional().describe('Files and folders, counted.'),
  encryptedEntries: count.optional(),
  nestedArchives: count.optional().describe('Entries whose names are those of archives.'),
  overlappingEntries: z.boolean().optional().describe('Whether two entries share bytes, which no honest packer does.'),
  prefixBytes: count.optional().describe('Bytes before the archive: a program that unpacks itself, or another file.'),
})

const mediaFacts = z.object({
  container: z.enum(['mp4', 'quicktime', '3gpp', 'wav', 'flac', 'ogg', 'mp3', 'webm', 'matroska']),
  durationSeconds: z.number().nonnegative().optional(),
  durationIsEstimated: z
    .literal(true)
    .optional()
    .describe('Computed from one bit rate, for want of a count of frames.'),
})

const textFacts = z.object({
  encoding: z.enum(['utf-8', 'utf-16le', 'utf-16be', 'unknown-8bit']),
  lines: count.describe('The last one counts if anything stands in it.'),
  lineEnds: z.enum(['lf', 'crlf', 'cr', 'mixed', 'none']),
})

/** What the step `inspect` records. What can't be told of a file is absent. */
export const inspectFacts = z.object({
  size: count.describe('In bytes, counted in storage.'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('Computed from what is in storage.'),
  type: z.string().describe('The media type that the bytes were found to be when they came in.'),
  image: imageFacts.optional(),
  pdf: pdfFacts.optional(),
  archive: archiveFacts.optional(),
  media: mediaFacts.optional(),
  text: textFacts.optional(),
})

export type InspectFacts = z.infer<typeof inspectFacts>
export type ImageFacts = z.infer<typeof imageFacts>
export type PdfFacts = z.infer<typeof pdfFacts>
export type ArchiveFacts = z.infer<typeof archiveFacts>
export type MediaFacts = z.infer<typeof mediaFacts>
export type TextFacts = z.infer<typeof textFacts>
