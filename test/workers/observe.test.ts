import { createExecutionContext, createMessageBatch, createScheduledController } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest'
import { createApp } from '../../src/app.ts'
import { logLine } from '../../src/core/log-line.ts'
import { nextSpan, parseTraceHeaders } from '../../src/core/trace-context.ts'
import type { Caller } from '../../src/core/work-record.ts'
import { meter } from '../../src/journal.ts'
import { measuredQueue } from '../../src/queue/measured.ts'
import type { SentAppend } from '../../src/resumable/outcome.ts'
import { runJob } from '../../src/services/run-job.ts'
import { createWorker } from '../../src/worker.ts'
import { adminToken, call, makeDomain, makeKey, postForm, putFile } from '../support/workers/client.ts'
import { appWith, depsWith, type Faults, faultyD1, HeldQueue, overriding } from '../support/workers/faults.ts'
import { appendTo } from '../support/workers/session-faults.ts'
import { created, idOf } from '../support/workers/tus.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const parent = `00-${traceId}-${spanId}-01`

describe('a traceparent', () => {
  test.each([
    ['of this version', parent, '01'],
    ['that is not recorded', `00-${traceId}-${spanId}-00`, '00'],
    ['with flags that are not known', `00-${traceId}-${spanId}-fe`, '00'],
    ['of a later version', `cc-${traceId}-${spanId}-01`, '01'],
    ['of a later version that says more', `cc-${traceId}-${spanId}-01-what-the-future-brings`, '01'],
  ])('%s is gone on with', (_name, traceparent, flags) => {
    expect(parseTraceHeaders({ traceparent, tracestate: null })).toMatchObject({ traceId, spanId, flags })
  })

  test.each([
    ['of no trace', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['of no span', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['in capitals', parent.toUpperCase()],
    ['of the version that is none', `ff-${traceId}-${spanId}-01`],
    ['that is too long', `${parent}-01`],
    ['of a later version with more than it may', `cc-${traceId}-${spanId}-01.x`],
    ['that is too short', parent.slice(0, -1)],
    ['sent twice', `${parent}, ${parent}`],
    ['with something around it', ` ${parent}`],
    ['with another digit', parent.replace('4b', 'xb')],
    ['that is empty', ''],
    ['that is none', null],
  ])('%s is not', (_name, traceparent) => {
    expect(parseTraceHeaders({ traceparent, tracestate: 'a=b' })).toBeNull()
  })

  test('is followed by a span of its own, and the first one of a trace has an id of its own', () => {
    const before = parseTraceHeaders({ traceparent: parent, tracestate: 'a=b' })
    expect(nextSpan(before)).toEqual({
      traceId,
      spanId: expect.not.stringMatching(spanId),
      parentSpanId: spanId,
      flags: '01',
      tracestate: 'a=b',
    })
    const first = nextSpan(null)
    expect(first).toMatchObject({ parentSpanId: null, flags: '01', tracestate: null })
    expect(nextSpan(null).traceId).not.toBe(first.traceId)
  })
})

describe('a tracestate', () => {
  const stateOf = (tracestate: string) => parseTraceHeaders({ traceparent: parent, tracestate })?.tracestate

  test.each([
    ['a=b', 'a=b'],
    ['rojo=00f067aa0ba902b7,congo=t61rcWkgMzE', 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'],
    [' a=b ,\t, 0tenant@system=x y', 'a=b,0tenant@system=x y'],
    [`a=${'v'.repeat(256)}`, `a=${'v'.repeat(256)}`],
  ])('%j is handed on', (sent, handedOn) => {
    expect(stateOf(sent)).toBe(handedOn)
  })

  test.each([
    '',
    ' , ',
    'a',
    'a=',
    '=b',
    'A=b',
    'a=b=c',
    'a=b,a=c',
    'a =b',
    'a=ü',
    'a=b\u0000',
    `a=${'v'.repeat(257)}`,
    Array.from({ length: 33 }, (_, index) => `k${index}=v`).join(','),
    Array.from({ length: 30 }, (_, index) => `k${index}=${'v'.repeat(20)}`).join(','),
  ])('%j is dropped, and the trace goes on', (sent) => {
    expect(stateOf(sent)).toBeNull()
  })
})

test('a line of the log is JSON, named as logs are, and keeps what is known of an error', () => {
  const error = new Error('outer', { cause: new Error('inner\nof two lines') })
  const line = logLine('warn', 'something-failed', { uploadId: 'u', d1Count: 2, error, nothing: undefined })
  expect(line).not.toContain('\n')
  expect(JSON.parse(line)).toEqual({
    level: 'warn',
    event: 'something-failed',
    upload_id: 'u',
    d1_count: 2,
    error: {
      name: 'Error',
      message: 'outer',
      stack: expect.stringContaining('outer'),
      cause: { name: 'Error', message: 'inner\nof two lines', stack: expect.any(String) },
    },
  })
})

const queue = new HeldQueue()
/** The Worker at the level that it has in production. */
const send = appWith({ env: { LOG_LEVEL: 'info' }, deps: () => ({ queue }) })

test('a query that failed is written without the values that it was sent with', () => {
  const error = new Error('Failed query: insert into "uploaded_files" values (?)\nparams: very-secret.txt')
  const line = logLine('error', 'request-failed', { error: new Error('outer', { cause: error }) })
  expect(line).toContain('insert into')
  expect(line).not.toContain('very-secret')
})

test('a command that Redis refused is written without its keys, which name clients by their addresses', () => {
  const command = '["evalsha","5f0…","1","{domain}:requests:address:203.0.113.7"]'
  const error = new Error(`NOSCRIPT No matching script, command was: ${command}`)
  const line = logLine('error', 'limiter-failed', { error })
  expect(line).toContain('NOSCRIPT No matching script')
  expect(line).not.toContain('203.0.113.7')
})

describe('in the log', () => {
  const spies = new Map<string, MockInstance>()

  beforeEach(() => {
    for (const level of ['debug', 'info', 'warn', 'error'] as const)
      spies.set(
        level,
        vi.spyOn(console, level).mockImplementation(() => {}),
      )
  })
  afterEach(() => {
    for (const spy of spies.values()) spy.mockRestore()
  })

  /** Everything that was logged, as text. */
  const logged = () => [...spies.values()].flatMap((spy) => spy.mock.calls.map(([line]) => String(line)))
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into lines of any shape
  const lines = (event: string): any[] =>
    logged()
      .map((line) => JSON.parse(line))
      .filter((line) => line.event === event)

  test('a form with several files is one line that names them all', async () => {
    const domain = await makeDomain()
    const answer = await postForm(
      'http://localhost',
      [
        { name: 'domain', content: domain.slug },
        { name: 'a', filename: 'a.txt', content: 'abc' },
        { name: 'b', filename: 'b.txt', content: 'def' },
      ],
      { send },
    )
    const ids = answer.json.results.map(({ upload }: { upload: { id: string } }) => upload.id)
    expect(lines('request-done').at(-1)).toMatchObject({
      route: '/v1/uploads',
      status: 202,
      domain: domain.slug,
      domain_id: domain.id,
      upload_ids: ids,
      r2_count: 2,
    })
  })

  test('neither a filename nor a token nor a key is written, nor metadata', async () => {
    const domain = await makeDomain({ publicRead: false })
    const { key } = await makeKey(domain, ['upload', 'read'])
    const sent = await putFile(domain.origin, 'very-secret.txt', 'abc', {
      key,
      headers: { 'x-upload-metadata': '{"patient":"hidden-name"}' },
      send,
    })
    expect(sent.status).toBe(202)
    const link = await call('GET', `${domain.origin}/v1/uploads/${sent.json.id}?token=stvt_abc.def`, { send })
    expect(link.status).toBe(401)
    await call('GET', `${domain.origin}/v1/very-secret`, { send })
    const text = logged().join('\n')
    expect(lines('request-done').length).toBeGreaterThanOrEqual(3)
    for (const secret of ['very-secret', key, 'stvt_abc', 'hidden-name', adminToken]) expect(text).not.toContain(secret)
  })

  test('a refusal is written with its code, and what is at no address without one', async () => {
    const domain = await makeDomain()
    const id = crypto.randomUUID()
    await call('GET', `${domain.origin}/v1/uploads/${id}`, { send })
    expect(lines('request-done').at(-1)).toMatchObject({
      level: 'info',
      route: '/v1/uploads/:id',
      upload_id: id,
      status: 404,
      outcome: 'refused',
      code: 'upload-not-found',
    })
    await call('GET', `${domain.origin}/nowhere`, { send })
    expect(lines('request-done').at(-1)).toMatchObject({ route: 'none', status: 404, code: 'route-not-found' })
  })

  test('a part that does not do its work is counted, and its reason is in the line of the request', async () => {
    const domain = await makeDomain()
    const DB = faultyD1(env.DB, (sql) => (sql.includes('insert into "uploaded_files"') ? 'before' : undefined))
    const answer = await putFile(domain.origin, 'very-secret.txt', 'abc', {
      headers: { 'x-upload-metadata': '{"patient":"hidden-name"}' },
      send: appWith({ env: { LOG_LEVEL: 'info', DB } }),
    })
    expect(answer.status).toBe(503)
    expect(lines('request-done').filter(({ status }) => status === 503)).toEqual([])
    expect(lines('request-failed')).toEqual([
      expect.objectContaining({
        level: 'error',
        request_id: answer.json.requestId,
        code: 'unavailable',
        outcome: 'failed',
        d1_failures: 1,
        error: expect.objectContaining({ message: expect.any(String) }),
      }),
    ])
    // Neither by what the statement says that failed.
    for (const secret of ['very-secret', 'hidden-name']) expect(logged().join()).not.toContain(secret)
  })

  test('whatever is written while a request runs says which one it was, and under which trace', async () => {
    const domain = await makeDomain()
    const broken = {
      publish: async () => {
        throw new Error('no queue')
      },
    }
    const answer = await putFile(domain.origin, 'a.txt', 'abc', {
      headers: { traceparent: parent },
      send: appWith({ env: { LOG_LEVEL: 'info' }, deps: () => ({ queue: broken }) }),
    })
    const [failed] = lines('publish-failed')
    const [request] = lines('request-done').filter(({ status }) => status === 202)
    expect(failed).toMatchObject({ request_id: answer.headers.get('x-request-id'), trace_id: traceId })
    expect(failed.span_id).toBe(request.span_id)
  })

  test('a request whose queue hangs leaves its line while it still can', async () => {
    const domain = await makeDomain()
    const hangs = { publish: () => new Promise<never>(() => {}) }
    const context = createExecutionContext()
    const app = createApp((_env, its) =>
      depsWith({ env: { LOG_LEVEL: 'info' }, deps: () => ({ queue: hangs }) }, its as ExecutionContext),
    )
    const put = new Request(`${domain.origin}/v1/uploads/a.txt`, { method: 'PUT', body: 'abc' })
    const uploads = () => lines('request-done').filter(({ method }) => method === 'PUT')
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const answer = await app.fetch(put, env, context)
      expect(answer.status).toBe(202)
      await vi.advanceTimersByTimeAsync(19_999)
      expect(uploads()).toEqual([])
      await vi.advanceTimersByTimeAsync(1)
      expect(uploads()).toEqual([expect.objectContaining({ status: 202, domain: domain.slug })])
    } finally {
      vi.useRealTimers()
    }
  })

  test('two requests at once do not mix', async () => {
    const [one, other] = await Promise.all([makeDomain(), makeDomain()])
    await Promise.all([one, other, one, other].map((domain) => putFile(domain.origin, 'a.txt', 'abc', { send })))
    const uploads = lines('request-done').filter(({ method }) => method === 'PUT')
    expect(uploads).toHaveLength(4)
    for (const line of uploads) expect(line).toMatchObject({ r2_count: 1, bytes_in: 3 })
    expect(new Set(uploads.map(({ trace_id }) => trace_id)).size).toBe(4)
    expect(new Set(uploads.map(({ upload_id }) => upload_id)).size).toBe(4)
  })

  describe('a call of an upload’s session', () => {
    const caller: Caller = { requestId: crypto.randomUUID(), trace: { traceparent: parent, tracestate: null } }
    /** What every line of it says of the request that it serves. */
    const ids = { request_id: caller.requestId, trace_id: traceId, parent_span_id: spanId }

    /** Begins an upload of three bytes, and sends them to its session with these faults. */
    async function append(faults: Faults) {
      const domain = await makeDomain()
      const id = idOf(await created(domain, 3))
      const declared = { offset: 0, declaredBytes: 3, length: null, isLast: false, checksum: null }
      const sent: SentAppend = { append: { ...declared, domainId: domain.id, protocol: 'tus' }, caller }
      const env = { LOG_LEVEL: 'info', ...faults.env }
      const answering = appendTo(id, sent, 'abc', { ...faults, env })
      return { id, domain, answering }
    }

    test('that gets no answer of the database has failed, and says why and for which request', async () => {
      const { id, domain, answering } = await append({ env: { DB: faultyD1(env.DB, () => 'before') } })
      expect(await (await answering).json()).toMatchObject({ refusal: { code: 'unavailable' } })
      const about = { ...ids, upload_id: id }
      expect(lines('session-failed')).toEqual([expect.objectContaining({ ...about, error: expect.anything() })])
      expect(lines('session-done')).toEqual([
        expect.objectContaining({
          ...about,
          kind: 'append',
          domain_id: domain.id,
          outcome: 'failed',
          code: 'unavailable',
        }),
      ])
    })

    test('that ends as nobody expected is written as an error', async () => {
      const placeOf = async () => {
        throw new Error('nobody knows')
      }
      const { id, answering } = await append({ deps: () => ({ placeOf }) })
      await expect(answering).rejects.toThrow('nobody knows')
      expect(lines('session-done')).toEqual([
        expect.objectContaining({
          ...ids,
          level: 'error',
          upload_id: id,
          outcome: 'failed',
          error: expect.objectContaining({ message: 'nobody knows' }),
        }),
      ])
    })

    test('counts the publish that its answer did not wait for', async () => {
      let publish = () => {}
      const published = new Promise<void>((resolve) => {
        publish = resolve
      })
      const late = measuredQueue({ publish: () => published }, meter)
      const { id, answering } = await append({ deps: () => ({ queue: late }) })
      expect((await answering).status).toBe(200)
      expect(lines('session-done')).toEqual([])
      publish()
      await vi.waitFor(() =>
        expect(lines('session-done')).toEqual([
          expect.objectContaining({ ...ids, upload_id: id, outcome: 'ok', queue_count: 1 }),
        ]),
      )
    })
  })

  test('a job whose row can’t be reached is one line as well', async () => {
    const DB = overriding(env.DB, {
      prepare: () => {
        throw new Error('D1_ERROR: gone')
      },
    })
    const job = { kind: 'process', id: crypto.randomUUID(), domainId: crypto.randomUUID(), generation: 1, publish: 1 }
    await expect(runJob(depsWith({ env: { DB } }), job)).rejects.toThrow()
    expect(lines('job-not-run')).toEqual([
      expect.objectContaining({ kind: 'process', upload_id: job.id, domain_id: job.domainId, outcome: 'not-run' }),
    ])
    expect(lines('job-done')).toEqual([])
  })

  test('a request about a domain says which, and one with the key of another says whose key it is', async () => {
    const [domain, other] = await Promise.all([makeDomain(), makeDomain()])
    const { key } = await makeKey(domain, ['manage'])
    for (const spy of spies.values()) spy.mockClear()
    const ask = (slug: string, as: string) =>
      call('GET', `http://localhost/v1/domains/${slug}/usage`, { key: as, send })
    const answers = [
      await ask(domain.slug, adminToken),
      await ask(domain.slug, key),
      await ask(other.slug, key),
      await ask('nobody', adminToken),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 403, 404])
    const named = lines('request-done').map((line) => [line.domain, line.domain_id])
    const own = [domain.slug, domain.id]
    expect(named).toEqual([own, own, own, [undefined, undefined]])
  })

  test('what is written of a job that the queue has given up, or of a drain, is written in a work', async () => {
    const drainQueue = async () => deps.log('error', 'drain-failed')
    const deps = depsWith({ deps: () => ({ places: [], drainQueue }) })
    const worker = createWorker(() => deps)
    const body = { kind: 'process', id: crypto.randomUUID(), domainId: crypto.randomUUID(), generation: 1, publish: 1 }
    const message = { id: 'm', timestamp: new Date(), attempts: 1, body }
    const batch = createMessageBatch('stevedore-jobs-dead', [message])
    await worker.queue(batch, env, createExecutionContext())
    await worker.scheduled(createScheduledController(), env, createExecutionContext())
    const inWork = { trace_id: expect.any(String), span_id: expect.any(String) }
    const about = { upload_id: body.id, domain_id: body.domainId }
    expect(lines('job-given-up')).toEqual([expect.objectContaining({ ...inWork, ...about })])
    expect(lines('drain-failed')).toEqual([expect.objectContaining(inWork)])
  })

  test('lines below LOG_LEVEL are left out', async () => {
    const domain = await makeDomain()
    for (const spy of spies.values()) spy.mockClear()
    await putFile(domain.origin, 'a.txt', 'abc', {
      send: appWith({ env: { LOG_LEVEL: 'warn' }, deps: () => ({ queue }) }),
    })
    expect(logged()).toEqual([])
  })
})

describe('Server-Timing', () => {
  const page = 'https://app.example'

  test('says how long the parts took that the answer waited for, and nothing else', async () => {
    const domain = await makeDomain({ allowedOrigins: [page] })
    const sent = await putFile(domain.origin, 'a.txt', 'abc', {
      send,
    })
    expect(sent.headers.get('server-timing')).toMatch(/^r2;dur=\d+, d1;dur=\d+, total;dur=\d+$/)
    expect(sent.headers.has('timing-allow-origin')).toBe(false)
  })

  test('may be read by the pages that may read the answer', async () => {
    const domain = await makeDomain({ allowedOrigins: [page] })
    const get = (origin: string) => call('GET', `${domain.origin}/v1/uploads`, { key: adminToken, headers: { origin } })
    expect((await get(page)).headers.get('timing-allow-origin')).toBe(page)
    const other = await get('https://other.example')
    expect(other.status).toBe(403)
    expect(other.headers.has('timing-allow-origin')).toBe(false)
    expect(other.headers.get('server-timing')).toMatch(/total;dur=\d+$/)
  })
})
