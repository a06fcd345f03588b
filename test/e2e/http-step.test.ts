import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectStatus, makeDomain, rowOf, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type Answer, call } from '../support/e2e/http.ts'
import { adminToken, type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'

/** The origin that the Worker gives out; a processor reaches it at the port that the test knows. */
const origin = 'http://localhost:8787'

let worker: LocalWorker
let domain: TestDomain
let processor: Server
let processorUrl: string

interface Question {
  headers: IncomingMessage['headers']
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into messages of any shape
  json: any
}
let questions: Question[] = []
/** How the processor answers the request itself. */
let reply: (question: Question, response: ServerResponse) => void | Promise<void>

const json = (response: ServerResponse, body: unknown, status = 200) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

beforeAll(async () => {
  processor = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const question = { headers: request.headers, text, json: JSON.parse(text) }
    questions.push(question)
    await reply(question, response)
  })
  processor.listen(0, '127.0.0.1')
  await once(processor, 'listening')
  processorUrl = `http://127.0.0.1:${(processor.address() as AddressInfo).port}/run`
  worker = await startLocalWorker({ CALLBACK_URL: origin })
  domain = await makeDomain(worker, policyWith({}))
})
beforeEach(() => {
  questions = []
})
afterAll(async () => {
  await worker?.stop()
  processor?.close()
})

const policyWith = (options: object) => ({
  publicRead: false,
  steps: [{ step: 'http', as: 'ocr', options: { url: processorUrl, parameters: { language: 'de' }, ...options } }],
})

async function send(content = 'some text', at = domain): Promise<string> {
  const answer = await worker.call('PUT', '/v1/uploads/a.txt', { host: `${at.host}:${worker.port}`, body: content })
  expectStatus(answer, 202)
  return answer.json().id
}

const asAdmin = { authorization: `Bearer ${adminToken}` }
const show = async (id: string, at = domain) =>
  (await worker.call('GET', `/v1/uploads/${id}`, { host: at.host, headers: asAdmin })).json()

/** Goes to an address that the Worker has given out. */
function follow(url: string, method = 'GET', body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const { host, pathname, search } = new URL(url)
  const content = body === undefined ? {} : { body: JSON.stringify(body) }
  return call(worker.port, method, pathname + search, {
    host,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...content,
  })
}

const untilStatus = (id: string, status: string) =>
  eventually(async () => {
    const shown = await show(id)
    expect(shown).toMatchObject({ status })
    return shown
  })

/** The next attempt, which would follow in ten seconds, is due now. */
async function makeDue(id: string): Promise<void> {
  await worker.env.DB.prepare('UPDATE uploaded_files SET next_attempt_at = 1, next_publish_at = 1 WHERE id = ?')
    .bind(id)
    .run()
  await worker.runSchedule()
}

const untilAsked = (times = 1) =>
  eventually(() => {
    expect(questions.length).toBeGreaterThanOrEqual(times)
    return questions.at(-1)!
  })

describe('a processor that answers at once', () => {
  it('reads the file and gives its result', async () => {
    let seen: Answer | undefined
    reply = async ({ json: { data } }, response) => {
      seen = await follow(data.contentUrl, 'GET', undefined, { range: 'bytes=5-8' })
      json(response, { result: { words: 2 } })
    }
    const id = await send()
    const shown = await untilStatus(id, 'complete')
    expect(shown.steps).toMatchObject([{ name: 'ocr', status: 'complete', result: { words: 2 } }])
    expect([seen?.status, seen?.body.toString()]).toEqual([206, 'text'])
    expect(questions).toHaveLength(1)
    const { json: message, text, headers } = questions[0]!
    expect(message).toMatchObject({
      type: 'step.requested',
      data: {
        step: 'ocr',
        upload: { id, domain: domain.slug, filename: 'a.txt', type: 'text/plain', size: 9, generation: 1 },
        parameters: { language: 'de' },
      },
    })
    const secret = await worker.env.DB.prepare('SELECT secret FROM callback_secrets WHERE domain_id = ?')
      .bind(domain.id)
      .first<string>('secret')
    expect(() => new Webhook(secret!).verify(text, headers as Record<string, string>)).not.toThrow()
  })

  it.each([
    ['failed', { verdict: 'failed', code: 'too-blurred', detail: 'Nothing can be read.' }],
    ['quarantined', { verdict: 'quarantined', code: 'bad-words', detail: 'It says something bad.' }],
  ])('gives the verdict %s', async (status, verdict) => {
    reply = (_, response) => void json(response, verdict)
    const id = await send()
    expect(await untilStatus(id, status)).toMatchObject({ failure: { code: verdict.code, detail: verdict.detail } })
  })

  it.each<[string, typeof reply]>([
    ['a server error', (_, response) => void response.writeHead(500).end('oops')],
    ['a redirect, which is not followed', (_, r) => void r.writeHead(302, { location: processorUrl }).end()],
    ['no JSON', (_, response) => void response.end('fine!')],
    ['JSON of another shape', (_, response) => void json(response, { results: {} })],
    ['a cut connection', (_, response) => void response.destroy()],
    ['that it could not tell', (_, response) => void json(response, { retry: 'the model is loading' })],
  ])('is asked again, by another id, after %s', async (_name, first) => {
    let asked = 0
    reply = (question, response) => (++asked === 1 ? first(question, response) : void json(response, { result: {} }))
    const id = await send()
    await untilStatus(id, 'pending')
    await makeDue(id)
    await untilStatus(id, 'complete')
    expect(questions).toHaveLength(2)
    expect(new Set(questions.map(({ headers }) => headers['webhook-id'])).size).toBe(2)
    expect((await rowOf(worker, id)).attempts).toBe(2)
  })
})

describe('a processor that answers later', () => {
  const later: typeof reply = (_, response) => void response.writeHead(202).end()

  it('holds no worker, and its answer ends the wait', async () => {
    reply = later
    const id = await send()
    const { json: message } = await untilAsked()
    await eventually(async () => expect((await show(id)).steps[0]).toMatchObject({ status: 'waiting' }))
    expect(await rowOf(worker, id)).toMatchObject({ status: 'processing', lease_expires_at: null })
    const { answerUrl, contentUrl } = message.data
    expect((await follow(contentUrl)).body.toString()).toBe('some text')
    expectStatus(await follow(answerUrl, 'POST', { result: { late: true } }), 202)
    expect((await untilStatus(id, 'complete')).steps).toMatchObject([{ result: { late: true } }])
    expectStatus(await follow(answerUrl, 'POST', { result: { again: true } }), 409)
    expect((await rowOf(worker, id)).attempts).toBe(1)
  })

  it('is asked again when it could not tell', async () => {
    reply = later
    const id = await send()
    const { answerUrl } = (await untilAsked()).json.data
    expectStatus(await follow(answerUrl, 'POST', { retry: 'the model is loading' }), 202)
    await untilStatus(id, 'pending')
    expectStatus(await follow(answerUrl, 'POST', { retry: 'the model is loading' }), 409)
    await makeDue(id)
    const second = await untilAsked(2)
    expectStatus(await follow(answerUrl, 'POST', { retry: 'the model is loading' }), 409)
    expectStatus(await follow(second.json.data.answerUrl, 'POST', { result: { words: 2 } }), 202)
    expect((await untilStatus(id, 'complete')).steps).toMatchObject([{ attempt: 2, result: { words: 2 } }])
    expect(questions).toHaveLength(2)
    expect((await rowOf(worker, id)).attempts).toBe(2)
  })

  it('may answer before it has acknowledged', async () => {
    reply = async ({ json: { data } }, response) => {
      expectStatus(await follow(data.answerUrl, 'POST', { result: { quick: true } }), 202)
      later(undefined as never, response)
    }
    const id = await send()
    expect((await untilStatus(id, 'complete')).steps).toMatchObject([{ result: { quick: true } }])
  })

  it.each<[string, (url: URL) => unknown, unknown, number, string]>([
    [
      'another step',
      (url) => Object.assign(url, { pathname: url.pathname.replace('/ocr/', '/scan/') }),
      { result: {} },
      403,
      'forbidden',
    ],
    ['no token', (url) => url.searchParams.delete('token'), { result: {} }, 401, 'credential-required'],
    ['a changed token', (url) => url.searchParams.append('token', 'x'), { results: {} }, 400, 'request-invalid'],
    ['no known member', () => {}, { results: {} }, 400, 'request-invalid'],
    ['too much', () => {}, { result: { text: 'x'.repeat(20_000) } }, 400, 'request-invalid'],
    ['a code that is none', () => {}, { verdict: 'failed', code: 'Bad!', detail: 'x' }, 400, 'request-invalid'],
    ['a verdict that there is not', () => {}, { verdict: 'complete', code: 'x', detail: 'x' }, 400, 'request-invalid'],
  ])('is refused with %s, and may answer after that', async (_name, change, answer, status, code) => {
    reply = later
    const id = await send()
    const { answerUrl } = (await untilAsked()).json.data
    const url = new URL(answerUrl)
    change(url)
    const refused = await follow(url.href, 'POST', answer)
    expectStatus(refused, status)
    expect(refused.json()).toMatchObject({ code })
    expectStatus(await follow(answerUrl, 'POST', { result: {} }), 202)
    await untilStatus(id, 'complete')
  })

  it('its token reads and answers for nothing else', async () => {
    reply = later
    const [id, other] = [await send(), await send('other')]
    await untilAsked(2)
    const { answerUrl, contentUrl } = questions.find(({ json }) => json.data.upload.id === id)!.json.data
    const swapped = (url: string) =>
      follow(url.replace(id, other), url === answerUrl ? 'POST' : 'GET', url === answerUrl ? { result: {} } : undefined)
    expectStatus(await swapped(contentUrl), 403)
    expectStatus(await swapped(answerUrl), 403)
    expectStatus(await follow(contentUrl.replace('/content', '')), 403)
    expectStatus(await follow(contentUrl.replace('/content', '/status')), 403)
    const elsewhere = await makeDomain(worker, { publicRead: false })
    const url = new URL(contentUrl)
    url.searchParams.set('domain', elsewhere.slug)
    expectStatus(await follow(url.href), 401)
    expectStatus(await follow(answerUrl, 'POST', { verdict: 'quarantined', code: 'bad', detail: 'Bad.' }), 202)
    await untilStatus(id, 'quarantined')
    expectStatus(await follow(contentUrl), 409)
    await follow(questions.find(({ json }) => json.data.upload.id === other)!.json.data.answerUrl, 'POST', {
      result: {},
    })
  })
})

it('a file of another type passes it by', async () => {
  reply = () => Promise.reject(new Error('never asked'))
  const pictures = await makeDomain(worker, policyWith({ types: ['image/*'] }))
  const id = await send('words', pictures)
  await eventually(async () => expect(await show(id, pictures)).toMatchObject({ status: 'complete', steps: [] }))
  expect(questions).toEqual([])
})

it.each([
  ['http://169.254.169.254/latest', /metadata/],
  ['https://user:pass@example.com/', /user name or password/],
  ['https://3232235777/', /private network/],
  ['ftp://example.com', /not https/],
])('a policy that names %s is refused', async (url, message) => {
  const answer = await worker.call('POST', '/v1/domains', {
    headers: { ...asAdmin, 'content-type': 'application/json' },
    body: JSON.stringify({ slug: 'refused', policy: { steps: [{ step: 'http', options: { url } }] } }),
  })
  expectStatus(answer, 400)
  expect(answer.json().problems).toMatchObject([
    { at: 'json.policy.steps.0.options.url', message: expect.stringMatching(message) },
  ])
})
