import { Client } from '@upstash/qstash'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import { type QStashServer, startQStashServer } from '../qstash/qstash-server.ts'
import { devCredentials, signDelivery } from '../qstash/sign-delivery.ts'
import { expectStatus, makeDomain, rowOf, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { fetchThrough } from '../support/e2e/http.ts'
import { type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'
import { makeDueNow, reprocess, untilStatus, uploadText, whileRowsAreOutOfReach } from '../support/e2e/uploads.ts'

const callbackHost = 'hooks.stevedore.test'
const jobUrl = `http://${callbackHost}/internal/jobs`
const failedJobUrl = `http://${callbackHost}/internal/jobs/failed`

let worker: LocalWorker
let qstash: QStashServer
let client: Client
let domain: TestDomain

beforeAll(async () => {
  qstash = await startQStashServer({ timeScale: 0.001, fetch: fetchThrough(() => worker.port) })
  client = new Client({ baseUrl: qstash.url, token: devCredentials.token, retry: false })
  worker = await startLocalWorker({
    QSTASH_TOKEN: devCredentials.token,
    QSTASH_URL: qstash.url,
    QSTASH_CURRENT_SIGNING_KEY: devCredentials.currentSigningKey,
    QSTASH_NEXT_SIGNING_KEY: devCredentials.nextSigningKey,
    CALLBACK_URL: `http://${callbackHost}`,
  })
  domain = await makeDomain(worker)
})

afterEach(async () => {
  qstash.signWith('current')
  qstash.resume()
  await qstash.idle()
})

afterAll(async () => {
  await worker?.stop()
  await qstash?.close()
})

/** The jobs that were delivered for an upload, with the answers to them. */
function jobsOf(id: string) {
  return qstash.deliveries
    .filter((delivery) => delivery.kind === 'message' && delivery.body.includes(id))
    .map(({ body, status, url, messageId }) => ({ job: JSON.parse(body), status, url, messageId }))
}

/** Whether QStash already knows a deduplication id: then it drops a message that carries the same one. */
async function isKnown(deduplicationId: string): Promise<boolean> {
  qstash.pause()
  const probe = await client.publishJSON({ url: `${qstash.url}/probe`, body: {}, retries: 0, deduplicationId })
  return 'deduplicated' in probe && probe.deduplicated === true
}

/** A delivery as QStash would send it, but for what the test changes. */
function deliver(
  job: unknown,
  { host = callbackHost, path = '/internal/jobs', signature }: { host?: string; path?: string; signature?: string },
) {
  return worker.call('POST', path, {
    host,
    headers: { 'content-type': 'application/json', ...(signature ? { 'upstash-signature': signature } : {}) },
    body: JSON.stringify(job),
  })
}

function sign(job: unknown, url = jobUrl, key = devCredentials.currentSigningKey): string {
  return signDelivery({ url, body: Buffer.from(JSON.stringify(job)) }, key, Date.now())
}

describe('an upload goes through QStash', () => {
  it('by one publish under its own deduplication id, and one signed delivery', async () => {
    const id = await uploadText(worker, domain)
    expect(await untilStatus(worker, id, 'complete')).toEqual(['pending', 'processing', 'complete'])
    await qstash.idle()
    expect(jobsOf(id)).toMatchObject([
      { job: { id, domainId: domain.id, generation: 1, publish: 1 }, status: 200, url: jobUrl },
    ])
    expect(await isKnown(`process.${id}.1.1`)).toBe(true)
    expect(await isKnown(`process.${id}.1.2`)).toBe(false)
  })

  it('once, however often it is delivered', async () => {
    const id = await uploadText(worker, domain)
    await untilStatus(worker, id, 'complete')
    await qstash.idle()
    const before = await rowOf(worker, id)
    for (let again = 0; again < 3; again++) {
      expect(await qstash.deliverAgain(jobsOf(id)[0]?.messageId as string)).toMatchObject({ status: 200 })
    }
    expect(await rowOf(worker, id)).toEqual(before)
  })

  it('each file of a form by a message of its own', async () => {
    const form = new FormData()
    for (const name of ['a', 'b', 'c']) form.append('files', new Blob([name]), `${name}.txt`)
    const encoded = new Response(form)
    const answer = await worker.call('POST', '/v1/uploads', {
      host: domain.host,
      headers: { 'content-type': encoded.headers.get('content-type') as string },
      body: new Uint8Array(await encoded.arrayBuffer()),
    })
    expectStatus(answer, 202)
    for (const { upload } of answer.json().results) {
      await untilStatus(worker, upload.id, 'complete')
      expect(jobsOf(upload.id)).toHaveLength(1)
    }
  })

  it('under a new deduplication id when it is processed again', async () => {
    const id = await uploadText(worker, domain)
    await untilStatus(worker, id, 'complete')
    await reprocess(worker, domain, id)
    expect(await untilStatus(worker, id, 'complete')).toEqual([
      'pending',
      'processing',
      'complete',
      'pending',
      'processing',
      'complete',
    ])
    expect(await isKnown(`process.${id}.2.1`)).toBe(true)
  })

  it('when it is signed with the next key, as while keys are rotated', async () => {
    qstash.signWith('next')
    const id = await uploadText(worker, domain)
    await untilStatus(worker, id, 'complete')
  })
})

describe('a callback', () => {
  /** An upload whose job waits at QStash. */
  async function waitingJob() {
    qstash.pause()
    const id = await uploadText(worker, domain)
    const job: Job = { kind: 'process', id, domainId: domain.id, generation: 1, publish: 1, bytes: 11 }
    return { id, job, untouched: await rowOf(worker, id) }
  }

  it.each([
    ['without a signature', () => undefined],
    ['with an empty signature', () => ''],
    ['with something else for a signature', () => 'eyJhbGciOiJub25lIn0.e30.'],
    ['signed with a key that nobody knows', (job: unknown) => sign(job, jobUrl, 'sig_unknown')],
    ['signed for another URL', (job: unknown) => sign(job, failedJobUrl)],
    ['signed for another host', (job: unknown) => sign(job, 'http://elsewhere.test/internal/jobs')],
    ['signed for another body', () => sign({ id: 'another' })],
  ])('%s is 401 and does nothing', async (_, signatureOf) => {
    const { id, job, untouched } = await waitingJob()
    for (const path of ['/internal/jobs', '/internal/jobs/failed']) {
      // What is signed for another URL may be signed for just the second path.
      const signature = path === '/internal/jobs' ? signatureOf(job) : signatureOf(job) && sign(job, jobUrl)
      const answer = await deliver(job, { path, ...(signature === undefined ? {} : { signature }) })
      expectStatus(answer, 401)
      expect(answer.json().code).toBe('signature-invalid')
    }
    expect(await rowOf(worker, id)).toEqual(untouched)
    expect(untouched.status).toBe('pending')
  })

  it.each(['localhost', 'elsewhere.test', `${callbackHost}:81`, `x.${callbackHost}`])(
    'on the host %s is 404, however well it is signed',
    async (host) => {
      const { id, job, untouched } = await waitingJob()
      expectStatus(await deliver(job, { host, signature: sign(job) }), 404)
      expectStatus(await deliver(job, { host, signature: sign(job, `http://${host}/internal/jobs`) }), 404)
      expect(await rowOf(worker, id)).toEqual(untouched)
    },
  )

  it('that is signed by hand as QStash does is taken, so the ones above were refused for their difference', async () => {
    const { id, job } = await waitingJob()
    expectStatus(await deliver(job, { signature: sign(job) }), 200)
    expect((await rowOf(worker, id)).status).toBe('complete')
  })

  it('with what is no job is not to be tried again', async () => {
    for (const body of [{ hello: 'world' }, [], 'text', { id: 'x', domainId: 'y', generation: 1, publish: 1 }]) {
      const { messageId } = await client.publishJSON({ url: jobUrl, body, retries: 3 })
      await qstash.waitFor((made) => made.some((delivery) => delivery.messageId === messageId))
      await qstash.idle()
      const attempts = qstash.deliveries.filter((delivery) => delivery.messageId === messageId)
      expect(attempts).toMatchObject([{ status: 489, retried: 0 }])
    }
    const failed = { sourceBody: Buffer.from('not JSON').toString('base64') }
    const answer = await deliver(failed, { path: '/internal/jobs/failed', signature: sign(failed, failedJobUrl) })
    expectStatus(answer, 489)
    expect(answer.headers['upstash-nonretryable-error']).toBe('true')
  })

  it('for a file that is not there does nothing, and is not tried again either', async () => {
    const id = '01900000-0000-7000-8000-000000000000'
    const job: Job = { kind: 'process', id, domainId: domain.id, generation: 1, publish: 1, bytes: 11 }
    expectStatus(await deliver(job, { signature: sign(job) }), 200)
  })
})

describe('when something fails', () => {
  it('at the publish, the upload is accepted all the same and published again when it is due', async () => {
    qstash.failNextPublishes(1, 500)
    const id = await uploadText(worker, domain)
    await eventually(() =>
      expect(worker.logged('publish-failed')).toContainEqual(expect.objectContaining({ first_row_id: id })),
    )
    await worker.runSchedule()
    // Not due yet: a minute has to pass.
    expect(await rowOf(worker, id)).toMatchObject({ status: 'pending', publish_count: 1, events: ['pending'] })

    await makeDueNow(worker, id)
    await worker.runSchedule()
    await untilStatus(worker, id, 'complete')
    await qstash.idle()
    expect(jobsOf(id)).toMatchObject([{ job: { generation: 1, publish: 2 }, status: 200 }])
    expect(await isKnown(`process.${id}.1.1`)).toBe(false)
    expect(await isKnown(`process.${id}.1.2`)).toBe(true)
  })

  it('at every delivery, the row is due at once and the schedule brings it to its end', async () => {
    qstash.pause()
    const id = await uploadText(worker, domain)
    await whileRowsAreOutOfReach(worker, async () => {
      qstash.resume()
      await qstash.waitFor(() => jobsOf(id).length === 4)
    })
    expect(jobsOf(id).map(({ status }) => status)).toEqual([500, 500, 500, 500])
    await qstash.waitFor((made) =>
      made.some(({ kind, status, url }) => kind === 'failure-callback' && status === 200 && url === failedJobUrl),
    )
    await qstash.idle()
    const given = await rowOf(worker, id)
    expect(given).toMatchObject({ status: 'pending', attempts: 0, publish_count: 1, events: ['pending'] })
    expect(given.next_publish_at).toBeLessThanOrEqual(Date.now())
    const { results: deadLetters } = await worker.env.DB.prepare('SELECT * FROM dead_letters WHERE row_id = ?')
      .bind(id)
      .all()
    expect(deadLetters).toMatchObject([{ domain_id: domain.id, generation: 1, publish: 1, retried_at: null }])

    await worker.runSchedule()
    expect(await untilStatus(worker, id, 'complete')).toEqual(['pending', 'processing', 'complete'])
    await qstash.idle()
    expect(jobsOf(id).at(-1)).toMatchObject({ job: { publish: 2 }, status: 200 })
  })

  it('while the signing keys are wrong, nothing is processed and nothing is lost', async () => {
    qstash.signWith('garbage')
    const id = await uploadText(worker, domain)
    // Four times the job, then four times the news of its failure.
    await qstash.waitFor(() => jobsOf(id).length === 4)
    await qstash.idle()
    expect(jobsOf(id).map(({ status }) => status)).toEqual([401, 401, 401, 401])
    expect(await rowOf(worker, id)).toMatchObject({ status: 'pending', events: ['pending'] })

    qstash.signWith('current')
    await makeDueNow(worker, id)
    await worker.runSchedule()
    await untilStatus(worker, id, 'complete')
  })
})
