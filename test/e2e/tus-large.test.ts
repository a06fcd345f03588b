import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { childrenRunning, findChild, residentBytes } from '../../bench/runtime/process-usage.ts'
import { highest, sampled } from '../../bench/runtime/sampler.ts'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { noise } from '../support/e2e/bodies.ts'
import { expectStatus, makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import type { LocalWorker } from '../support/e2e/local-worker.ts'
import { TusUpload, tusResumable } from '../support/e2e/tus.ts'
import { mebibyte } from '../support/sizes.ts'

const isFull = process.env.STEVEDORE_TEST_FULL === '1'
const appends = 48
const appendBytes = 64 * mebibyte
const blockBytes = mebibyte
/** 3 GiB. */
const bytes = appends * appendBytes
const pattern = noise(blockBytes)

/**
 * What flat means: while the last quarter of the bytes comes in, the runtime holds at most so much more than while the
 * first did. It is less than one append, and a thirtieth of the bytes that come in between; the simulator of R2 is
 * in the same process, and the allocator keeps what it once had. Reading is not held to it: where a client is slow, the
 * simulator's `get` of an object of several parts takes the whole object into memory, for the plainest Worker as well.
 */
const mostGrowthBytes = 48 * mebibyte

describe.runIf(isFull)('a file of 3 GB, in appends of 64 MiB', { timeout: 1_200_000 }, () => {
  let worker: LocalWorker
  let runtime: number

  beforeAll(async () => {
    const before = new Set(childrenRunning('workerd'))
    worker = await startBareWorker()
    runtime = findChild('workerd', before)
  })

  afterAll(() => worker?.stop())

  it('comes in in flat memory, and is whole', async () => {
    const domain = await makeDomain(worker, { maxFileBytes: bytes, maxRequestBytes: appendBytes })
    const upload = await TusUpload.create(worker, domain, bytes)
    const sent = createHash('sha256')
    const { samples } = await sampled(
      async () => {
        for (let append = 0; append < appends; append++) await appendTo(domain, upload, append, sent)
      },
      () => residentBytes(runtime),
    )
    const digest = sent.digest('hex')

    const file = await eventually(async () => {
      const answer = await worker.call('GET', `/v1/uploads/${upload.id}`, { host: domain.host })
      expect(answer.json()).toMatchObject({ status: 'complete', size: bytes, sha256: digest })
      return answer.json()
    }, 300_000)
    expect(await digestOfContent(domain, file.id)).toBe(digest)

    const first = highest(samples.filter(({ at }) => at <= 0.25))
    const last = highest(samples.filter(({ at }) => at >= 0.75))
    console.log(`resident, in MiB: ${[first, last].map((value) => Math.round(value / mebibyte)).join(', then ')}`)
    expect(last - first).toBeLessThan(mostGrowthBytes)
  })

  /** Sends one append over a connection of its own; its bytes are made as they are sent. */
  async function appendTo(domain: TestDomain, upload: TusUpload, append: number, sent: ReturnType<typeof createHash>) {
    const answer = await worker.call('PATCH', `/v1/tus/${upload.id}`, {
      host: domain.host,
      headers: {
        ...tusResumable,
        'upload-offset': String(append * appendBytes),
        'content-type': 'application/offset+octet-stream',
        'content-length': String(appendBytes),
      },
      body: blocksOf(append, sent),
    })
    expectStatus(answer, 204)
  }

  /** The digest of a file's content, of which no more than a piece is held at a time. */
  function digestOfContent(domain: TestDomain, id: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const path = `/v1/uploads/${id}/content`
      const asking = request({ host: '127.0.0.1', port: worker.port, path, headers: { host: domain.host } }, (answer) =>
        answer.pipe(createHash('sha256').setEncoding('hex')).once('error', reject).on('data', resolve),
      )
      asking.once('error', reject)
      asking.end()
    })
  }
})

/** The bytes of one append: noise of which every block bears its own number. */
function* blocksOf(append: number, sent: ReturnType<typeof createHash>): Generator<Buffer> {
  for (let block = 0; block < appendBytes / blockBytes; block++) {
    const made = Buffer.from(pattern)
    made.writeUInt32LE(append * (appendBytes / blockBytes) + block, 8)
    sent.update(made)
    yield made
  }
}
