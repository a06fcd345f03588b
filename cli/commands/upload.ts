import type { Command } from 'commander'
import type { Upload } from '../api.ts'
import { exitCodes, WrongUse } from '../errors.ts'
import { followStatus } from '../follow.ts'
import { exitCodeOf, type Outcome, resultsOf, workOnEach } from '../outcomes.ts'
import { showProgress } from '../progress.ts'
import type { Act, Session } from '../session.ts'
import { formatBytes } from '../table.ts'
import { parseAssignment, printable } from '../text.ts'
import { sendFile } from '../upload/send-file.ts'
import { openSource, type Source, standardInput } from '../upload/source.ts'

interface UploadOptions {
  wait?: boolean
  metadata?: string[]
  type?: string
  name?: string
  idempotencyKey?: string
}

const help = `
Each file is a request of its own: one that is refused does not hold back the others.

Examples:
  $ stevedore upload report.pdf photo.jpg --wait
  $ stevedore upload scan.tiff --metadata invoice=4711 --metadata customer=acme
  $ tar cz logs | stevedore upload - --name logs.tar.gz
  $ id=$(stevedore upload report.pdf --json | jq -r '.results[0].upload.id')`

/** `upload`: sends files. */
export function addUpload(program: Command, act: Act): void {
  program
    .command('upload <file...>')
    .description('upload files; - is standard input')
    .option('--wait', 'wait until each is processed; then 1 is the exit code if one is not complete')
    .option('--metadata <key=value>', 'a note kept with each file; may be repeated', collect)
    .option('--type <type>', 'the media type; without it the bytes tell')
    .option('--name <name>', 'the filename to give, for one file')
    .option('--idempotency-key <key>', 'makes a repeat of this command, for one file, store nothing twice')
    .addHelpText('after', help)
    .action(act(upload))
}

const collect = (value: string, before: string[] = []) => [...before, value]

async function upload(session: Session, options: UploadOptions, paths: string[]): Promise<number> {
  const { client, out, stdin } = session
  requireFitting(options, paths)
  const metadata =
    options.metadata && Object.fromEntries(options.metadata.map((it) => parseAssignment(it, '--metadata')))
  // All of them before the first byte is sent: a mistyped name is found while nothing has happened.
  const sources = await Promise.all(paths.map((path) => openSource(path, options.name, stdin)))

  const nameOf = ({ path }: Source) => path
  const sent = await workOnEach(out, sources, nameOf, async (source) => {
    const progress = showProgress(out.stderr, source.name, source.size)
    try {
      const { type, idempotencyKey } = options
      const upload = await sendFile(client, source, { type, metadata, idempotencyKey, progress })
      if (!options.wait) out.line(describe(upload))
      return upload
    } finally {
      progress.end()
    }
  })
  const outcomes = options.wait ? await followAll(session, sent) : sent
  out.document(resultsOf(outcomes, ({ path }, upload) => ({ file: path, ...(upload && { upload }) })))
  const endedBadly = options.wait && outcomes.some(({ value }) => value && value.status !== 'complete')
  return Math.max(exitCodeOf(outcomes), endedBadly ? exitCodes.refused : exitCodes.ok)
}

/**
 * Throws `WrongUse` for what no header can carry, for options that mean one upload where there are several, and for
 * standard input among other files.
 */
function requireFitting({ name, type, idempotencyKey }: UploadOptions, paths: readonly string[]): void {
  if (type !== undefined && !/^[\x21-\x7e]+\/[\x20-\x7e]+$/.test(type)) {
    throw new WrongUse(`--type: "${type}" is no media type such as image/png.`)
  }
  if (idempotencyKey !== undefined && !/^[\x21-\x7e]{1,255}$/.test(idempotencyKey)) {
    throw new WrongUse('--idempotency-key: 1 to 255 visible ASCII characters; a UUID is a good one.')
  }
  if (paths.length === 1) return
  if (name !== undefined) throw new WrongUse('--name is for one file; here are several.')
  if (idempotencyKey !== undefined) throw new WrongUse('--idempotency-key is for one file; here are several.')
  if (paths.includes(standardInput)) throw new WrongUse('Standard input can be uploaded alone only.')
}

/** Waits until each upload that was taken is processed, and gives them all as they then are. */
async function followAll(
  { client, out }: Session,
  sent: readonly Outcome<Source, Upload>[],
): Promise<Outcome<Source, Upload>[]> {
  const taken = sent.flatMap(({ item, value }) => (value ? [{ source: item, upload: value }] : []))
  const nameOf = ({ source }: { source: Source }) => source.path
  const followed = await workOnEach(out, taken, nameOf, async ({ upload }) => {
    const processed: Upload = { ...upload, ...(await followStatus(client, upload.id, upload.readToken)) }
    out.line(describe(processed))
    return processed
  })
  const ends = new Map(followed.map((end) => [end.item.source, end]))
  return sent.map((outcome) => {
    const end = ends.get(outcome.item)
    return end ? { item: outcome.item, value: end.value ?? outcome.value, error: end.error } : outcome
  })
}

function describe({ id, status, failure, type, size, filename }: Upload): string {
  const why = failure ? [`${failure.detail} (${failure.code})`] : []
  return printable([id, status, type, formatBytes(size), filename, ...why].join('  '))
}
