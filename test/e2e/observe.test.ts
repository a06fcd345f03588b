import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectStatus, makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type HookServer, startHookServer } from '../support/e2e/hook-server.ts'
import { adminToken, type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'
import { parsePrometheus } from '../support/prometheus.ts'

let worker: LocalWorker
let hooks: HookServer
let processor: Server
let domain: TestDomain
/** What the processor of the step `http` was asked with. */
const asked: IncomingHttpHeaders[] = []

const asAdmin = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }

beforeAll(async () => {
  hooks = await startHookServer()
  processor = createServer(async (request, response) => {
    await request.toArray()
    asked.push(request.headers)
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"result":{"pages":1}}')
  })
  processor.listen(0, '127.0.0.1')
  await once(processor, 'listening')
  const { port } = processor.address() as AddressInfo
  worker = await startLocalWorker({ CALLBACK_URL: 'http://localhost:8787' })
  domain = await makeDomain(worker, {
    steps: [{ step: 'inspect' }, { step: 'http', as: 'ocr', options: { url: `http://127.0.0.1:${port}/` } }],
  })
  const answer = await worker.call('POST', `/v1/domains/${domain.slug}/webhooks`, {
    headers: asAdmin,
    body: JSON.stringify({ url: `${hooks.url}/told` }),
  })
  expectStatus(answer, 201)
  hooks.receiver.listen('/told', answer.json().secret)
})
afterAll(async () => {
  await hooks?.close()
  processor?.close()
  await worker?.stop()
})

const host = () => `${domain.host}:${worker.port}`

/** The lines of one event that are about an upload, once there are so many. */
const linesAbout = (event: string, uploadId: string, count = 1) =>
  eventually(() => {
    const lines = worker.logged(event).filter((line) => line.upload_id === uploadId)
    expect(lines.length).toBeGreaterThanOrEqual(count)
    return lines
  })

/** The parts of a `traceparent`. */
function parse(traceparent: unknown) {
  expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
  const [, traceId, spanId, flags] = String(traceparent).split('-')
  return { traceId, spanId, flags }
}

describe('the trace of an upload', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const clientSpan = '00f067aa0ba902b7'
  const traced = {
    traceparent: `00-${traceId}-${clientSpan}-01`,
    tracestate: ' vendor=value , other@system=1',
  }

  test.each([
    ['a raw upload', () => worker.call('PUT', '/v1/uploads/a.txt', { host: host(), headers: traced, body: 'abc' })],
    [
      'a resumable upload',
      () =>
        worker.call('POST', '/v1/tus', {
          host: host(),
          headers: {
            ...traced,
            'tus-resumable': '1.0.0',
            'upload-length': '3',
            'upload-metadata': `filename ${btoa('a.txt')}`,
            'content-type': 'application/offset+octet-stream',
          },
          body: 'abc',
        }),
    ],
  ])('by %s is one, from its request to the webhook, and in every line between', async (_name, send) => {
    const answer = await send()
    expect([201, 202]).toContain(answer.status)
    const id = String(answer.headers.location).split('/').at(-1) ?? ''
    const message = await eventually(() => {
      const found = hooks.receiver.at('/told').find(({ data }) => data.id === id)
      expect(found).toBeDefined()
      return found!
    })
    const [request] = await linesAbout('request-done', id)
    expect(request).toMatchObject({ trace_id: traceId, parent_span_id: clientSpan })
    const jobs = await linesAbout('job-done', id, 2)
    const process = jobs.find(({ kind }) => kind === 'process')!
    const deliver = jobs.find(({ kind }) => kind === 'deliver')!
    for (const job of [process, deliver]) {
      expect(job).toMatchObject({ trace_id: traceId, parent_span_id: request!.span_id })
    }
    // Each post tells the work that it was sent by as the one that it is a part of.
    expect(parse(asked.at(-1)?.traceparent)).toEqual({ traceId, spanId: process.span_id, flags: '01' })
    expect(parse(message.traceparent)).toEqual({ traceId, spanId: deliver.span_id, flags: '01' })
    expect(asked.at(-1)?.tracestate).toBe('vendor=value,other@system=1')
    expect(message.tracestate).toBe('vendor=value,other@system=1')
    const spans = [clientSpan, request, process, deliver].map((line) =>
      typeof line === 'string' ? line : line!.span_id,
    )
    expect(new Set(spans).size).toBe(4)
  })
})

/** Of a line what is the same each time; the ids and times that it must have are checked here. */
function shapeOf(line: Record<string, unknown>) {
  const { trace_id, span_id, duration_ms, request_id, ...rest } = line
  expect(trace_id).toMatch(/^[0-9a-f]{32}$/)
  expect(span_id).toMatch(/^[0-9a-f]{16}$/)
  expect(duration_ms).toEqual(expect.any(Number))
  if (line.event !== 'job-done') expect(request_id).toEqual(expect.any(String))
  return Object.fromEntries(
    Object.entries(rest).map(([name, value]) => [name, name.endsWith('_ms') && Number(value) >= 0 ? 'ms' : value]),
  )
}

test('a request and its job leave one line each, with what they have cost', async () => {
  const answer = await worker.call('PUT', '/v1/uploads/secret%20name.txt', { host: host(), body: 'abc' })
  const { id } = answer.json()
  const [request, ...more] = await linesAbout('request-done', id)
  expect(more).toEqual([])
  expect(shapeOf(request!)).toEqual({
    level: 'info',
    event: 'request-done',
    method: 'PUT',
    route: '/v1/uploads/:filename',
    status: 202,
    domain: domain.slug,
    domain_id: domain.id,
    upload_id: id,
    bytes_in: 3,
    outcome: 'ok',
    r2_count: 1,
    r2_ms: 'ms',
    d1_count: expect.any(Number),
    d1_ms: 'ms',
    queue_count: 1,
    queue_ms: 'ms',
  })
  expect(request!.request_id).toBe(answer.headers['x-request-id'])
  const jobs = await linesAbout('job-done', id, 2)
  const process = jobs.filter(({ kind }) => kind === 'process')
  expect(process).toHaveLength(1)
  expect(shapeOf(process[0]!)).toEqual({
    level: 'info',
    event: 'job-done',
    parent_span_id: request!.span_id,
    kind: 'process',
    upload_id: id,
    domain: domain.slug,
    domain_id: domain.id,
    generation: 1,
    publish: 1,
    attempt: 1,
    steps: [
      { step: 'inspect', outcome: 'result', ms: expect.any(Number) },
      { step: 'http', outcome: 'result', ms: expect.any(Number) },
    ],
    outcome: 'complete',
    r2_count: 1,
    r2_ms: 'ms',
    d1_count: expect.any(Number),
    d1_ms: 'ms',
    queue_count: expect.any(Number),
    queue_ms: 'ms',
    post_count: 1,
    post_ms: 'ms',
  })
})

test('a call of a resumable upload’s session is found by the request that it served', async () => {
  const tus = { 'tus-resumable': '1.0.0' }
  const begun = await worker.call('POST', '/v1/tus', { host: host(), headers: { ...tus, 'upload-length': '3' } })
  expectStatus(begun, 201)
  const id = String(begun.headers.location).split('/').at(-1) ?? ''
  const appended = await worker.call('PATCH', `/v1/tus/${id}`, {
    host: host(),
    headers: { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' },
    body: 'abc',
  })
  expectStatus(appended, 204)
  const calls = await linesAbout('session-done', id, 2)
  const requests = await linesAbout('request-done', id, 2)
  for (const [kind, answer] of [
    ['open', begun],
    ['append', appended],
  ] as const) {
    const request_id = answer.headers['x-request-id']
    const request = requests.find((line) => line.request_id === request_id)!
    const { trace_id, span_id } = request
    const call = calls.find((line) => line.kind === kind)
    expect(call).toMatchObject({ request_id, trace_id, parent_span_id: span_id, outcome: 'ok' })
  }
  expect(calls.find(({ kind }) => kind === 'append')).toMatchObject({ queue_count: 1 })
})

test('what was done comes to the totals of the deployment by itself', async () => {
  const { id } = (await worker.call('PUT', '/v1/uploads/a.txt', { host: host(), body: 'abc' })).json()
  await linesAbout('job-done', id)
  await eventually(async () => {
    const answer = await worker.call('GET', '/metrics', { headers: asAdmin })
    expectStatus(answer, 200)
    const { samples } = parsePrometheus(answer.body.toString()).get('stevedore_jobs_total')!
    expect(samples.find(({ labels }) => labels.outcome === 'complete')?.value).toBeGreaterThanOrEqual(1)
  })
})
