import type { Command } from 'commander'
import type { Upload } from '../api.ts'
import { segment } from '../client.ts'
import { chooseDestination, finish } from '../download/destination.ts'
import { fetchContent } from '../download/fetch-content.ts'
import { openPartFile, type Sink, StreamSink } from '../download/sink.ts'
import { Interrupted, Unreachable, WrongUse } from '../errors.ts'
import type { Output } from '../output.ts'
import { showProgress } from '../progress.ts'
import type { Act, Session } from '../session.ts'
import { formatBytes } from '../table.ts'
import { printable } from '../text.ts'

interface DownloadOptions {
  output?: string
  force?: boolean
}

const standardOutput = '-'

const help = `
The bytes are gathered under a hidden name beside the file, and get its name once they are whole and match their digest.
What a broken download has left is gone on with by the same command.

Examples:
  $ stevedore download 01a20416-9f93-7593-baee-ab11b2f9977b
  $ stevedore download 01a20416-9f93-7593-baee-ab11b2f9977b -o - | tar xz`

/** `download`: the content of an upload. */
export function addDownload(program: Command, act: Act): void {
  program
    .command('download <id>')
    .description('download the content of an upload')
    .option(
      '-o, --output <file>',
      'where to: a file, a directory, or - for standard output; by default its own name here',
    )
    .option('--force', 'replace a file that is there')
    .addHelpText('after', help)
    .action(act(download))
}

async function download(session: Session, { output, force = false }: DownloadOptions, id: string): Promise<void> {
  const { client, out } = session
  if (output === standardOutput && out.json)
    throw new WrongUse("The content and --json can't both go to standard output.")
  const upload = await client.json<Upload>('GET', `/v1/uploads/${segment(id)}`)
  if (output === standardOutput) return fetchInto(session, upload, new StreamSink(out.stdout, client.signal))

  const destination = await chooseDestination(upload, { output, force })
  const sink = await openPartFile(destination.partPath, upload.size)
  try {
    await fetchInto(session, upload, sink)
  } catch (error) {
    if (error instanceof Interrupted || error instanceof Unreachable) noteWhatIsLeft(out, upload, sink)
    throw error
  }
  await sink.close()
  await finish(destination, { force })
  const { path } = destination
  out.result({ path, upload }, printable(`${path}  ${formatBytes(upload.size)}`))
}

async function fetchInto({ client, out }: Session, upload: Upload, sink: Sink): Promise<void> {
  const progress = showProgress(out.stderr, upload.filename, upload.size)
  try {
    await fetchContent(client, upload, sink, progress)
  } finally {
    progress.end()
  }
}

function noteWhatIsLeft(out: Output, { size }: Upload, { takenBytes }: Sink): void {
  if (takenBytes === 0) return
  out.note(`${formatBytes(takenBytes)} of ${formatBytes(size)} are here; the same command goes on from there.`)
}
