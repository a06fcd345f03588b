import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client, Receiver } from '@upstash/qstash'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type QStashServer, type QStashServerOptions, startQStashServer } from '../qstash/qstash-server.ts'
import { defaultRetryDelayMs, evaluateRetryDelayMs, requestedRetryDelayMs } from '../qstash/retry-delay.ts'
import { devCredentials } from '../qstash/sign-delivery.ts'

type Received = { url: string; method: string; headers: IncomingHttpHeaders; body: string; at: number }
type Answer = { status: number; headers?: Record<string, string>; body?: string }

/** A destination that keeps what it gets and answers as the test says, after a promise if the test gives one. */
async function startDestination() {
  const received: Received[] = []
  const destination = {
    url: '',
    received,
    answer: (_request: Received): Answer | Promise<Answer> => ({ status: 200 }),
    at: (path: string) => received.filter((request) => new URL(request.url).pathname === path),
    close: () => {
      server.closeAllConnections()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { headers, method = '' } = request
    const body = Buffer.concat(chunks).toString('utf8')
    const got = { url: destination.url + request.url, method, headers, body, at: Date.now() }
    received.push(got)
    const answer = await destination.answer(got)
    response.writeHead(answer.status, answer.headers)
    response.end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  destination.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return destination
}

const receiver = new Receiver({
  currentSigningKey: devCredentials.currentSigningKey,
  nextSigningKey: devCredentials.nextSigningKey,
})
const unknownKey = 'sig_unknown'

function verify({ url, body, headers }: Received, using = receiver) {
  return using.verify({ url, body, signature: String(headers['upstash-signature']) })
}

function claimsOf({ headers }: Received) {
  const [, claims = ''] = String(headers['upstash-signature']).split('.')
  return JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'))
}

function decoded(base64: string) {
  return Buffer.from(base64, 'base64').toString('utf8')
}

let destination: Awaited<ReturnType<typeof startDestination>>
let qstash: QStashServer
let client: Client

async function restart(options: QStashServerOptions) {
  await qstash.close()
  qstash = await startQStashServer(options)
  client = new Client({ baseUrl: qstash.url, token: devCredentials.token })
}

beforeEach(async () => {
  // The client reports every refused request there.
  vi.spyOn(console, 'error').mockImplementation(() => {})
  destination = await startDestination()
  qstash = await startQStashServer({ timeScale: 0.001 })
  client = new Client({ baseUrl: qstash.url, token: devCredentials.token })
})

afterEach(async () => {
  await qstash.close()
  await destination.close()
  vi.restoreAllMocks()
})

describe('publish', () => {
  it('delivers body, content type and forwarded headers to the destination with its query', async () => {
    const url = `${destination.url}/jobs?kind=a%20b&n=1`
    const published = await client.publishJSON({ url, body: { id: 'ü' }, headers: { 'X-Trace': 't1' }, method: 'PUT' })
    await qstash.idle()

    expect(destination.received).toHaveLength(1)
    expect(destination.received[0]).toMatchObject({ url, method: 'PUT', body: '{"id":"ü"}' })
    expect(destination.received[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'x-trace': 't1',
      'user-agent': 'Upstash-QStash',
      'upstash-message-id': published.messageId,
      'upstash-retried': '0',
    })
    expect(destination.received[0]?.headers).not.toHaveProperty('authorization')
    expect(qstash.deliveries).toMatchObject([{ messageId: published.messageId, kind: 'message', status: 200, url }])
  })

  it('delivers every message of a batch, and reports a bad one without keeping the others back', async () => {
    const answers = await client.batchJSON([
      { url: `${destination.url}/a`, body: { n: 1 }, headers: { 'X-Trace': 't2' } },
      { url: 'ftp://example.com', body: {} },
      { url: `${destination.url}/b`, body: { n: 2 } },
    ])
    await qstash.idle()

    expect(answers).toEqual([
      { messageId: expect.stringMatching(/^msg_/) },
      { error: expect.stringContaining('invalid scheme') },
      { messageId: expect.stringMatching(/^msg_/) },
    ])
    expect(destination.at('/a')).toMatchObject([{ body: '{"n":1}', headers: { 'x-trace': 't2' } }])
    expect(destination.at('/b')).toMatchObject([{ body: '{"n":2}', headers: { 'content-type': 'application/json' } }])
  })

  it('refuses a wrong token, a bad destination, bad options and a large message as QStash does', async () => {
    const stranger = new Client({ baseUrl: qstash.url, token: 'wrong' })
    const url = destination.url
    await expect(stranger.publish({ url })).rejects.toMatchObject({ status: 401, message: /^{"error":".*token"}$/ })
    await expect(client.publish({ url: 'ftp://example.com' })).rejects.toMatchObject({ status: 400 })
    await expect(client.publish({ url, callback: 'nowhere' })).rejects.toMatchObject({ status: 400 })
    await expect(client.publish({ url, retryDelay: 'pow(2' })).rejects.toMatchObject({ status: 400 })
    await expect(client.publish({ url, headers: { 'Upstash-Retries': '-1' } })).rejects.toMatchObject({ status: 400 })
    await expect(client.publish({ url, headers: { 'Upstash-Delay': 'soon' } })).rejects.toMatchObject({ status: 400 })
    await expect(client.publish({ url, body: 'x'.repeat(1_000_001) })).rejects.toMatchObject({ status: 413 })
    expect(qstash.deliveries).toEqual([])
  })

  it('fails as many publishes as it is told to', async () => {
    qstash.failNextPublishes(2, 503)
    await expect(client.publish({ url: destination.url })).rejects.toMatchObject({ status: 503 })
    await expect(client.batch([{ url: destination.url }])).rejects.toMatchObject({ status: 503 })
    await client.publish({ url: destination.url })
    await qstash.idle()
    expect(destination.received).toHaveLength(1)

    qstash.failNextPublishes(1, 429)
    await expect(client.publish({ url: destination.url })).rejects.toMatchObject({ status: 429, limit: '100' })
  })

  it('keeps one message for a deduplication id, until the window ends', async () => {
    await restart({ timeScale: 0.001, deduplicationWindowMs: 500 })
    const publish = (id: string) => client.publish({ url: destination.url, deduplicationId: id })
    const first = await publish('a')
    const repeated = await publish('a')
    const other = await publish('b')
    expect(repeated).toEqual({ messageId: first.messageId, deduplicated: true })
    expect(other).toEqual({ messageId: expect.not.stringMatching(first.messageId) })

    await expect.poll(async () => (await publish('a')).messageId, { timeout: 5000 }).not.toBe(first.messageId)
    await qstash.idle()
    expect(destination.received).toHaveLength(3)
  })

  it('keeps one message for the same content when asked to', async () => {
    const publish = (body: string) => client.publish({ url: destination.url, body, contentBasedDeduplication: true })
    expect(await publish('x')).not.toHaveProperty('deduplicated')
    expect(await publish('x')).toHaveProperty('deduplicated', true)
    expect(await publish('y')).not.toHaveProperty('deduplicated')
  })

  it('delivers no sooner than delay or not-before say', async () => {
    await restart({ timeScale: 0.1 })
    const publishedAt = Date.now()
    await client.publish({ url: `${destination.url}/now` })
    await client.publish({ url: `${destination.url}/delayed`, delay: '3s' })
    const notBefore = Math.ceil(publishedAt / 1000) + 5
    await client.publish({ url: `${destination.url}/not-before`, notBefore, delay: 3600 })
    await qstash.idle()

    expect(destination.received.map(({ url }) => new URL(url).pathname)).toEqual(['/now', '/delayed', '/not-before'])
    expect(destination.at('/delayed')[0]?.at).toBeGreaterThanOrEqual(publishedAt + 299)
    expect(destination.at('/not-before')[0]?.at).toBeGreaterThanOrEqual(publishedAt + 499)
  })
})

describe('signature', () => {
  it('binds the body and the URL of each delivery', async () => {
    await client.publish({ url: `${destination.url}/jobs?a=1`, body: 'hello' })
    await qstash.idle()
    const [got] = destination.received as [Received]

    await expect(verify(got)).resolves.toBe(true)
    await expect(verify({ ...got, body: 'hell0' })).rejects.toThrow('body hash does not match')
    await expect(verify({ ...got, url: `${destination.url}/jobs` })).rejects.toThrow('invalid subject')
    const claims = claimsOf(got)
    expect(claims).toMatchObject({ iss: 'Upstash', sub: got.url, jti: expect.any(String) })
    expect(claims.body).toMatch(/^[\w-]{43}=$/)
    expect(claims.exp - claims.iat).toBe(300)
    expect(claims.nbf).toBe(claims.iat)
  })

  it('uses the current key, the next one or one that nobody knows, as told', async () => {
    const { currentSigningKey, nextSigningKey } = devCredentials
    const onlyCurrent = new Receiver({ currentSigningKey, nextSigningKey: unknownKey })
    const onlyNext = new Receiver({ currentSigningKey: unknownKey, nextSigningKey })
    const { messageId } = await client.publish({ url: `${destination.url}/jobs` })
    await qstash.idle()
    qstash.signWith('next')
    await qstash.deliverAgain(messageId)
    qstash.signWith('garbage')
    await qstash.deliverAgain(messageId)
    const [current, next, garbage] = destination.received as [Received, Received, Received]

    await expect(verify(current, onlyCurrent)).resolves.toBe(true)
    await expect(verify(current, onlyNext)).rejects.toThrow()
    await expect(verify(next, onlyNext)).resolves.toBe(true)
    await expect(verify(next, onlyCurrent)).rejects.toThrow()
    await expect(verify(next)).resolves.toBe(true)
    await expect(verify(garbage)).rejects.toThrow()
  })

  it('offers the keys as the development server does', async () => {
    const headers = { authorization: `Bearer ${devCredentials.token}` }
    const keys = await fetch(`${qstash.url}/v2/keys`, { headers })
    const { currentSigningKey: current, nextSigningKey: next } = devCredentials
    expect(await keys.json()).toEqual({ current, next })
  })
})

describe('retries', () => {
  it('retries with the same id until the destination accepts', async () => {
    destination.answer = () => ({ status: destination.received.length < 3 ? 500 : 204 })
    const { messageId } = await client.publish({ url: `${destination.url}/jobs`, retries: 5, body: 'job' })
    await qstash.idle()

    expect(qstash.deliveries).toMatchObject([
      { messageId, retried: 0, status: 500 },
      { messageId, retried: 1, status: 500 },
      { messageId, retried: 2, status: 204 },
    ])
    expect(destination.received.map(({ headers }) => headers['upstash-retried'])).toEqual(['0', '1', '2'])
    expect(new Set(destination.received.map((request) => claimsOf(request).jti)).size).toBe(3)
    for (const request of destination.received) await expect(verify(request)).resolves.toBe(true)
    expect((await client.dlq.listMessages()).messages).toEqual([])
  })

  it('retries three times by default, waiting e^(2.5 n) seconds', async () => {
    await restart({ timeScale: 0.0005 })
    destination.answer = () => ({ status: 500 })
    await client.publish({ url: destination.url })
    await qstash.idle()

    const waits = qstash.deliveries.map(({ startedAt }, n) => startedAt - (qstash.deliveries[n - 1]?.endedAt ?? 0))
    expect(waits).toHaveLength(4)
    expect(waits[1]).toBeGreaterThanOrEqual(5)
    expect(waits[2]).toBeGreaterThanOrEqual(73)
    expect(waits[3]).toBeGreaterThanOrEqual(903)
    expect([1, 2, 3, 4, 5].map((n) => Math.floor(defaultRetryDelayMs(n) / 1000))).toEqual([12, 148, 1808, 22026, 86400])
  })

  it('takes the delay from Retry-After before the expression, and from that before the default', async () => {
    await restart({ timeScale: 0.01 })
    const retryAfter = (request: Received): Answer =>
      request.headers['upstash-retried'] === '0'
        ? { status: 503, headers: { 'Retry-After': '20' } }
        : { status: request.headers['upstash-retried'] === '1' ? 503 : 200 }
    destination.answer = retryAfter
    await client.publish({ url: destination.url, retries: 2, retryDelay: '(1 + retried) * 5000' })
    await qstash.idle()

    const [first, second, third] = qstash.deliveries
    expect(second?.startedAt).toBeGreaterThanOrEqual((first?.endedAt ?? 0) + 199)
    expect(third?.startedAt).toBeGreaterThanOrEqual((second?.endedAt ?? 0) + 99)
    expect(third?.startedAt).toBeLessThan((second?.endedAt ?? 0) + 1000)
  })

  it('reads delay expressions and retry headers', () => {
    expect(evaluateRetryDelayMs('max(1000, pow(2, retried) * 1000)', 3)).toBe(8000)
    expect(evaluateRetryDelayMs('1000 * (1 + retried) - 500 / 2', 1)).toBe(1750)
    expect(() => evaluateRetryDelayMs('1000 1000', 0)).toThrow(SyntaxError)
    expect(() => evaluateRetryDelayMs('process', 0)).toThrow(SyntaxError)
    const requested = (value: string) => requestedRetryDelayMs(new Headers({ 'retry-after': value }), 1000)
    expect(requested('10')).toBe(10_000)
    expect(requested('6m5s')).toBe(365_000)
    expect(requested('Thu, 01 Jan 1970 00:00:11 GMT')).toBe(10_000)
    expect(requested('100000')).toBeUndefined()
    expect(requestedRetryDelayMs(new Headers({ 'x-ratelimit-reset': '3' }), 0)).toBe(3000)
  })

  it('stops at 489 with the header, and at neither alone', async () => {
    const headers = { 'Upstash-NonRetryable-Error': 'true' }
    const answers = new Map<string, Answer>([
      ['/both', { status: 489, headers }],
      ['/status', { status: 489 }],
      ['/header', { status: 500, headers }],
    ])
    destination.answer = ({ url }) => answers.get(new URL(url).pathname) ?? { status: 404 }
    for (const path of answers.keys()) await client.publish({ url: destination.url + path, retries: 1 })
    await qstash.idle()

    expect(destination.at('/both')).toHaveLength(1)
    expect(destination.at('/status')).toHaveLength(2)
    expect(destination.at('/header')).toHaveLength(2)
    expect((await client.dlq.listMessages()).messages).toHaveLength(3)
  })

  it('counts a timeout and a refused connection as attempts that failed', async () => {
    destination.answer = () => new Promise(() => {})
    await client.publish({ url: destination.url, retries: 0, headers: { 'Upstash-Timeout': '50ms' } })
    const gone = await startDestination()
    await gone.close()
    await client.publish({ url: gone.url, retries: 1 })
    await qstash.idle()

    expect(qstash.deliveries.map(({ status }) => status)).toEqual([0, 0, 0])
    expect(qstash.deliveries.filter(({ url }) => url === gone.url)[0]?.error).toContain('ECONNREFUSED')
  })
})

describe('failure', () => {
  it('moves the message to the dead letter queue and posts the signed failure callback', async () => {
    destination.answer = ({ url }) =>
      url.endsWith('/failed')
        ? { status: 200 }
        : { status: 500, headers: { 'X-Reason': 'disk', 'content-type': 'text/plain' }, body: 'disk full' }
    const url = `${destination.url}/jobs`
    const createdAfter = Date.now()
    const { messageId } = await client.publishJSON({
      url,
      body: { job: 1 },
      retries: 1,
      headers: { 'X-Trace': 't3', 'Upstash-Failure-Callback-Forward-X-Secret': 's' },
      failureCallback: `${destination.url}/failed`,
    })
    await qstash.idle()

    const { messages } = await client.dlq.listMessages({ filter: { messageId } })
    expect(messages).toMatchObject([
      { messageId, url, body: '{"job":1}', maxRetries: 1, responseStatus: 500, responseBody: 'disk full' },
    ])
    const [failed, ...more] = destination.at('/failed')
    expect(more).toEqual([])
    if (!failed) throw new Error('the failure callback was not called')
    await expect(verify(failed)).resolves.toBe(true)
    expect(failed.headers).toMatchObject({ 'content-type': 'application/json', 'x-secret': 's' })
    expect(failed.headers['upstash-message-id']).not.toBe(messageId)
    const report = JSON.parse(failed.body)
    expect(report).toMatchObject({
      status: 500,
      header: { 'X-Reason': ['disk'], 'Content-Type': ['text/plain'] },
      retried: 1,
      maxRetries: 1,
      dlqId: messages[0]?.dlqId,
      sourceMessageId: messageId,
      url,
      method: 'POST',
      sourceHeader: { 'Content-Type': ['application/json'], 'X-Trace': ['t3'] },
    })
    expect(decoded(report.body)).toBe('disk full')
    expect(decoded(report.sourceBody)).toBe('{"job":1}')
    expect(report.createdAt).toBeGreaterThanOrEqual(createdAfter)
    expect(qstash.deliveries.at(-1)).toMatchObject({
      kind: 'failure-callback',
      sourceMessageId: messageId,
      status: 200,
    })
  })

  it('retries a failure callback as often as the message', async () => {
    destination.answer = () => ({ status: 500 })
    await client.publish({ url: `${destination.url}/jobs`, retries: 2, failureCallback: `${destination.url}/failed` })
    await qstash.idle()
    expect(destination.at('/failed')).toHaveLength(3)
    expect((await client.dlq.listMessages()).messages).toHaveLength(2)
  })

  it('posts the callback after every attempt, with its answer', async () => {
    destination.answer = ({ url }) => {
      if (url.endsWith('/callback')) return { status: 200 }
      return destination.at('/jobs').length === 1 ? { status: 500 } : { status: 201, body: 'made' }
    }
    await client.publish({ url: `${destination.url}/jobs`, retries: 1, callback: `${destination.url}/callback` })
    await qstash.idle()
    const reports = destination.at('/callback').map(({ body }) => JSON.parse(body))
    expect(reports.map(({ status, retried }) => [status, retried])).toEqual([
      [500, 0],
      [201, 1],
    ])
    expect(decoded(reports[1].body)).toBe('made')
    expect(reports[1]).not.toHaveProperty('dlqId')
  })
})

describe('flow control', () => {
  it('runs no more deliveries of a key at once than its parallelism', async () => {
    const held: (() => void)[] = []
    let mostAtOnce = 0
    destination.answer = async ({ url }) => {
      if (!url.endsWith('/free')) {
        const turn = Promise.withResolvers<void>()
        mostAtOnce = Math.max(mostAtOnce, held.push(turn.resolve))
        await turn.promise
      }
      return { status: 200 }
    }
    const flowControl = { key: 'tenant', parallelism: 2 }
    for (let n = 0; n < 5; n++) await client.publish({ url: `${destination.url}/limited`, flowControl })
    await client.publish({ url: `${destination.url}/free` })
    await qstash.waitFor(([free]) => free?.url.endsWith('/free') === true)

    for (let ended = 0; ended < 5; ended++) {
      await expect.poll(() => held.length).toBe(Math.min(2, 5 - ended))
      held.shift()?.()
      await qstash.waitFor((deliveries) => deliveries.length === ended + 2)
    }
    expect(destination.at('/limited')).toHaveLength(5)
    expect(mostAtOnce).toBe(2)
  })

  it('starts no more deliveries of a key within a period than its rate', async () => {
    await restart({ timeScale: 0.01 })
    const flowControl = { key: 'tenant', rate: 2, period: '5s' } as const
    for (let n = 0; n < 12; n++) await client.publish({ url: destination.url, flowControl })
    await qstash.idle()
    const starts = qstash.deliveries.map(({ startedAt }) => startedAt)
    expect(starts).toHaveLength(12)
    for (let n = 2; n < 12; n += 2) expect(starts[n]! - starts[n - 2]!).toBeGreaterThanOrEqual(49)
  })
})

describe('delivery through another fetch', () => {
  it('reaches hosts that only it can, with a signature for the URL as published', async () => {
    const url = 'https://upload.example.com/internal/jobs'
    let verified: Promise<boolean> | undefined
    await restart({
      fetch: async (to, { headers, body }) => {
        const signature = headers['upstash-signature'] ?? ''
        verified = receiver.verify({ url: to, body: Buffer.from(body ?? []).toString('utf8'), signature })
        return new Response('done', { status: 202 })
      },
    })
    await client.publish({ url, body: 'job' })
    await qstash.idle()
    expect(qstash.deliveries).toMatchObject([{ url, status: 202 }])
    await expect(verified).resolves.toBe(true)
  })
})

describe('looking at messages', () => {
  it('gives a message while it is undelivered, and its events', async () => {
    qstash.pause()
    const url = `${destination.url}/jobs`
    const flowControl = { key: 'tenant', parallelism: 3, rate: 10, period: '1m' } as const
    const { messageId } = await client.publish({
      url,
      body: 'job',
      retries: 7,
      label: ['a', 'b'],
      retryDelay: '1000',
      failureCallback: `${url}/failed`,
      flowControl,
    })
    const message = await client.messages.get(messageId)
    expect(message).toMatchObject({ messageId, url, method: 'POST', body: 'job', maxRetries: 7, labels: ['a', 'b'] })
    expect(message).toMatchObject({ flowControlKey: 'tenant', parallelism: 3, rate: 10, period: 60 })
    expect(message).toMatchObject({ retryDelayExpression: '1000', failureCallback: `${url}/failed` })
    await expect(qstash.idle(50)).rejects.toThrow('not idle within 50 ms')
    expect(destination.received).toEqual([])

    qstash.resume()
    await qstash.idle()
    await expect(client.messages.get(messageId)).rejects.toMatchObject({ status: 404 })
    const { logs } = await client.logs({ messageIds: [messageId] })
    expect(logs.map(({ state }) => state)).toEqual(['DELIVERED', 'ACTIVE', 'CREATED'])
  })

  it('delivers a duplicate on demand, which changes no outcome', async () => {
    const { messageId } = await client.publish({ url: destination.url, body: 'job' })
    await qstash.idle()
    destination.answer = () => ({ status: 500 })
    const again = await qstash.deliverAgain(messageId)

    expect(again).toMatchObject({ messageId, status: 500, duplicate: true })
    expect(destination.received.map(({ headers }) => headers['upstash-message-id'])).toEqual([messageId, messageId])
    await qstash.idle()
    expect(destination.received).toHaveLength(2)
    await expect(qstash.deliverAgain('msg_unknown')).rejects.toThrow('no message msg_unknown')
  })
})
