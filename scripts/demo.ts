import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { renderTable } from '../cli/table.ts'
import { describeFailure, Failure } from './failure.ts'
import { ensureOpenDomain, startLocalServer } from './local-server.ts'
import { findFreePort } from './ports.ts'
import {
  asForm,
  asRawBody,
  contentUrl,
  findDifferences,
  followStatus,
  getUpload,
  readSample,
  type Sample,
  sendUpload,
  type Upload,
  type UploadRequest,
} from './sample-upload.ts'
import { abortOnStopSignals, StopRequest } from './stop-signals.ts'
import { showUploadProgress } from './upload-progress.ts'

const demoSeconds = 240
const domainSlug = 'demo'

const samples: { path: string; type: string; toRequest: (sample: Sample) => UploadRequest }[] = [
  { path: 'samples/harbour.png', type: 'image/png', toRequest: asForm },
  { path: 'samples/handbook.pdf', type: 'application/pdf', toRequest: asForm },
  { path: 'samples/crossing.mp4', type: 'video/mp4', toRequest: asRawBody },
]

/**
 * `npm run demo`: the main job on a server of its own, which is gone afterwards. Uploads three files, follows each to
 * its final status, reads each back, and throws a `Failure` unless all of it is as it should be.
 */
async function main(stopped: AbortSignal): Promise<void> {
  const tooLate = new AbortController()
  const timer = setTimeout(
    () => tooLate.abort(new Failure(`The demo did not finish within ${demoSeconds} seconds.`)),
    demoSeconds * 1000,
  )
  const signal = AbortSignal.any([stopped, tooLate.signal])
  const { STEVEDORE_STATE: keptFolder } = process.env
  const stateFolder = keptFolder ? resolve(keptFolder) : await mkdtemp(join(tmpdir(), 'stevedore-demo-'))
  try {
    await runDemo(stateFolder, signal)
  } finally {
    clearTimeout(timer)
    if (!keptFolder) await rm(stateFolder, { recursive: true, force: true })
  }
}

async function runDemo(stateFolder: string, signal: AbortSignal): Promise<void> {
  console.log('Starting the Worker with local R2, D1 and Queues …')
  const server = await startLocalServer({ port: await findFreePort(), stateFolder, readDevVars: false, signal })
  try {
    await Promise.race([server.died, uploadSamples()])
  } catch (error) {
    if (error instanceof Failure) throw new Failure(`${error.message}\n\n${server.logTail()}`)
    throw error
  } finally {
    await server.stop()
  }

  async function uploadSamples() {
    await ensureOpenDomain(server, domainSlug, signal)
    const domainUrl = server.domainUrl(domainSlug)
    console.log(`Ready: ${domainUrl.origin}\n`)
    const results = []
    for (const { path, type, toRequest } of samples) {
      const sample = await readSample(path, type)
      results.push(await uploadSample(domainUrl, sample, toRequest(sample), signal))
    }
    console.log(`\n${resultTable(domainUrl, results)}\n`)
    const failures = results.filter(({ differences }) => differences.length > 0)
    if (failures.length > 0) {
      const lines = failures.map(({ sample, differences }) => `${sample.name}: ${differences.join('; ')}`)
      throw new Failure(lines.join('\n'))
    }
    console.log(`All ${results.length} files are complete, and read back byte for byte as they were sent.`)
  }
}

interface Result {
  sample: Sample
  upload: Upload
  differences: string[]
}

async function uploadSample(
  domainUrl: URL,
  sample: Sample,
  request: UploadRequest,
  signal: AbortSignal,
): Promise<Result> {
  const progress = showUploadProgress(sample.name, request.length, process.stdout)
  const accepted = await sendUpload(domainUrl, request, { onSent: progress.add, signal }).finally(progress.end)
  const statuses = await followStatus(domainUrl, accepted, signal)
  console.log(`${sample.name}  ${statuses.join(' → ')}`)
  const upload = await getUpload(domainUrl, accepted.id, signal)
  return { sample, upload, differences: await findDifferences(domainUrl, sample, upload, signal) }
}

function resultTable(domainUrl: URL, results: Result[]): string {
  const rows = results.map(({ upload }) => [
    contentUrl(domainUrl, upload).href,
    upload.type ?? '',
    `${upload.size?.toLocaleString('en') ?? '?'} B`,
    upload.sha256 ?? '',
    upload.status,
  ])
  const width = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
  return renderTable(['URL', 'Type', 'Size', 'SHA-256', 'Status'], rows, width)
}

try {
  await main(abortOnStopSignals())
} catch (error) {
  console.error(error instanceof StopRequest ? error.message : `\nThe demo failed.\n${describeFailure(error)}`)
  process.exitCode = error instanceof StopRequest ? error.exitCode : 1
}
