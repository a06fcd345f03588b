import { env } from 'cloudflare:workers'
import { v7 as uuidv7 } from 'uuid'
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest'
import type { Domain } from '../../src/core/domain.ts'
import type { Job } from '../../src/core/job.ts'
import { TimedCache } from '../../src/core/timed-cache.ts'
import type { ApiKey } from '../../src/db/api-keys.ts'
import { DomainDirectory } from '../../src/services/domain-directory.ts'
import { runJob } from '../../src/services/run-job.ts'
import { devCredentials, signDelivery } from '../qstash/sign-delivery.ts'
import {
  type Answer,
  adminToken,
  allRows,
  type Call,
  call,
  expectProblem,
  expectStatus,
  field,
  file,
  makeDomain,
  makeKey,
  postForm,
  putFile,
  rowOf,
  type Send,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, depsWith, faultyD1, HeldQueue, type Moment, overriding } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 60_000 })

const apex = 'http://localhost'
const asJson = { 'content-type': 'application/json' }

/** The interface in an isolate that remembers nothing, so that every look-up is made, with these bindings. */
function freshApp(bindings: Record<string, unknown>): Send {
  return appWith({
    env: bindings,
    deps: ({ control, databaseFor, now }) => {
      const cache = new TimedCache<Domain>(30_000)
      const directory = new DomainDirectory({ control, databaseFor, now, cache, baseDomain: 'localhost' })
      return { queue: new HeldQueue(), directory, keyCache: new TimedCache<ApiKey>(30_000) }
    },
  })
}

/** A domain, a key that may do everything in it, and a file that is complete. */
interface Scene {
  domain: TestDomain
  key: string
  id: string
  /** The address of the file. */
  url: string
}

async function setScene(): Promise<Scene> {
  const domain = await makeDomain({ anonymousUpload: false, publicRead: false })
  const { key } = await makeKey(domain, ['upload', 'read', 'delete', 'manage'])
  const queue = new HeldQueue()
  const uploaded = await putFile(domain.origin, 'a', 'abc', { key, send: appWith({ deps: () => ({ queue }) }) })
  expectStatus(uploaded, 202)
  await runJob(depsWith({ deps: () => ({ log: () => {} }) }), queue.take()[0])
  const { id } = uploaded.json
  return { domain, key, id, url: `${domain.origin}/v1/uploads/${id}` }
}

type Request = (scene: Scene, options: Call) => Promise<Answer>

/** Each request, and how it ends while nothing is wrong. */
const requests: Record<string, [status: number, send: Request]> = {
  'a list': [200, ({ domain }, options) => call('GET', `${domain.origin}/v1/uploads`, options)],
  'an upload': [200, ({ url }, options) => call('GET', url, options)],
  'a status': [200, ({ url }, options) => call('GET', `${url}/status`, options)],
  content: [200, ({ url }, options) => call('GET', `${url}/content`, options)],
  'a deletion': [204, ({ url }, options) => call('DELETE', url, options)],
  'a reprocess': [202, ({ url }, options) => call('POST', `${url}/reprocess`, options)],
  'a raw upload': [202, ({ domain }, options) => putFile(domain.origin, 'b', 'abc', options)],
  'a form whose key names its domain': [202, (_, options) => postForm(apex, [file('b', 'abc')], options)],
  'a form that names its domain': [
    202,
    ({ domain }, options) => postForm(apex, [field('domain', domain.slug), file('b', 'abc')], options),
  ],
  'an upload with an idempotency key': [
    202,
    ({ domain }, options) =>
      putFile(domain.origin, 'b', 'abc', { ...options, headers: { 'idempotency-key': uuidv7() } }),
  ],
  'a new domain': [
    201,
    (_, { send }) => {
      const body = JSON.stringify({ slug: `new-${uuidv7()}`, hostnames: [`${uuidv7()}.example`] })
      return call('POST', `${apex}/v1/domains`, { key: adminToken, headers: asJson, body, ...(send && { send }) })
    },
  ],
  'a new key': [
    201,
    ({ domain }, { send }) => {
      const url = `${apex}/v1/domains/${domain.slug}/keys`
      const body = JSON.stringify({ scopes: ['read'] })
      return call('POST', url, { key: adminToken, headers: asJson, body, ...(send && { send }) })
    },
  ],
  'the dead letters': [
    200,
    (_, { send }) => call('GET', `${apex}/v1/admin/dead-letters`, { key: adminToken, ...(send && { send }) }),
  ],
}

/** What a deletion notes of its object has its own next try, by the reconciler. */
const followsTheAnswer = (sql: string) => sql.startsWith('update "uploaded_files" set "removal_due_at"')

let errorLines: MockInstance<typeof console.error>

beforeEach(() => {
  errorLines = vi.spyOn(console, 'error').mockImplementation(() => {})
})

afterEach(() => {
  errorLines.mockRestore()
})

/** Holds an answer against a 503 that tells the client when to come back, and the log what was wrong. */
function expectUnavailable(answer: Answer, cause: string) {
  const problem = expectProblem(answer, 503, 'unavailable')
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(answer.text).not.toContain(cause)
  expectLogged(problem.requestId, cause)
}

function expectInternal(answer: Answer, cause: string) {
  const problem = expectProblem(answer, 500, 'internal')
  expect(answer.headers.has('retry-after')).toBe(false)
  expect(answer.text).not.toContain(cause)
  expectLogged(problem.requestId, cause)
}

function expectLogged(requestId: string, cause: string) {
  const lines = errorLines.mock.calls.map(([line]) => String(line))
  expect(lines.filter((line) => line.includes(requestId) && line.includes(cause))).toHaveLength(1)
}

describe.each(Object.entries(requests))('%s', (_name, [status, request]) => {
  test('is 503 whichever of its calls to D1 fails, and does its work with the next try', async () => {
    const run = async (fault: (nth: number) => Moment | undefined) => {
      const scene = await setScene()
      let calls = 0
      const DB = faultyD1(env.DB, (sql) => (followsTheAnswer(sql) ? undefined : fault(++calls)))
      const answer = await request(scene, { key: scene.key, send: freshApp({ DB }) })
      return { scene, answer, calls }
    }
    const { answer, calls } = await run(() => undefined)
    expectStatus(answer, status)
    // The authentication of a key or the look-up of a name is there before anything else; only the administrator has neither.
    expect(calls).toBeGreaterThan(0)
    for (let failing = 1; failing <= calls; failing++) {
      const { answer, scene } = await run((nth) => (nth === failing ? 'before' : undefined))
      expectUnavailable(answer, 'D1_ERROR: Network connection lost.')
      const DB = faultyD1(env.DB, () => undefined)
      expectStatus(await request(scene, { key: scene.key, send: freshApp({ DB }) }), status)
    }
  })
})

describe('a change whose answer is lost', () => {
  test.each([
    ['a deletion', 'deleted', 410],
    ['a reprocess', 'pending', 409],
  ] as const)('%s is 503, has happened once, and says so to the next try', async (name, fileStatus, then) => {
    const [, request] = requests[name]!
    const scene = await setScene()
    const isChange = (sql: string) => /(^|;\n)update "uploaded_files"/.test(sql) && !followsTheAnswer(sql)
    const DB = faultyD1(env.DB, (sql) => (isChange(sql) ? 'after' : undefined))
    const options = { key: scene.key, send: freshApp({ DB }) }
    expectUnavailable(await request(scene, options), 'D1_ERROR: Network connection lost.')
    const row = await rowOf(scene.id)
    expect(row.status).toBe(fileStatus)
    expectStatus(await request(scene, { ...options, send: freshApp({}) }), then)
    expect(await rowOf(scene.id)).toEqual(row)
    // What was to be done afterwards is due in the row.
    if (fileStatus === 'pending') expect(row.next_publish_at).toEqual(expect.any(Number))
    else expect(row.removal_due_at).toEqual(expect.any(Number))
  })
})

describe('what D1 says', () => {
  const readWith = async (DB: D1Database) => {
    const scene = await setScene()
    return call('GET', scene.url, { key: scene.key, send: freshApp({ DB }) })
  }

  test.each([
    'D1_ERROR: Network connection lost.',
    'D1_ERROR: D1 DB is overloaded. Requests queued for too long.',
    'D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.',
    'D1_ERROR: Internal error in D1 DB storage caused object to be reset.',
    'D1_ERROR: database is locked: SQLITE_BUSY',
    'D1_ERROR: disk I/O error: SQLITE_IOERR (extended: SQLITE_IOERR_READ)',
    'internal error; reference = 0123456789',
  ])('of itself is 503: %s', async (message) => {
    const DB = faultyD1(
      env.DB,
      () => 'before',
      () => new Error(message),
    )
    expectUnavailable(await readWith(DB), message)
  })

  test.each([
    ['a syntax error', (sql: string) => `${sql} nonsense`, 'syntax error'],
    ['a table that is not there', () => 'SELECT ? FROM nowhere', 'no such table'],
    ['a value too few', (sql: string) => `${sql} LIMIT ?`, 'Wrong number of parameter bindings'],
    [
      'a constraint that nobody expected',
      () => `INSERT INTO sweep_cursors SELECT 'same', ?1 FROM json_each('[1, 2]')`,
      'UNIQUE constraint failed',
    ],
  ])('of a statement is 500: %s', async (_name, spoil, cause) => {
    const DB = overriding(env.DB, { prepare: (sql) => env.DB.prepare(spoil(sql)) })
    expectInternal(await readWith(DB), cause)
  })

  test('can not be taken for what went wrong in the code', async () => {
    const DB = faultyD1(
      env.DB,
      () => 'before',
      () => new TypeError('undefined is not a function'),
    )
    expectInternal(await readWith(DB), 'undefined is not a function')
  })
})

describe('what R2 says to a reader', () => {
  const readWith = async (error: Error, headers: Record<string, string> = {}) => {
    const scene = await setScene()
    const BUCKET = overriding(env.BUCKET, { get: () => Promise.reject(error) } as unknown as Partial<R2Bucket>)
    return call('GET', `${scene.url}/content`, { key: scene.key, headers, send: freshApp({ BUCKET }) })
  }

  test.each([
    'get: We encountered an internal error. Please try again. (10001)',
    'get: Please look at the service status page. (10043)',
    'get: Reduce your rate of simultaneous reads on the same object. (10058)',
    'Network connection lost.',
  ])('of itself is 503: %s', async (message) => {
    for (const headers of [{}, { range: 'bytes=1-' }]) {
      const answer = await readWith(new Error(message), headers as Record<string, string>)
      expectUnavailable(answer, message)
      // Headers of the file that was not served would be kept by a cache.
      expect(answer.headers.get('etag')).toBeNull()
    }
  })

  test.each([
    new Error('get: The specified object name is not valid. (10020)'),
    new RangeError('Invalid range.'),
    new TypeError('x is not a function'),
  ])('of the request that we made is 500: %s', async (error) => {
    expectInternal(await readWith(error), error.message)
  })
})

describe('an upload', () => {
  test('that fails by a mistake in the code is 500, and leaves nothing', async () => {
    const { domain, key } = await setScene()
    const put = () => Promise.reject(new TypeError('x is not a function'))
    const BUCKET = overriding(env.BUCKET, { put } as unknown as Partial<R2Bucket>)
    expectInternal(await putFile(domain.origin, 'b', 'abc', { key, send: freshApp({ BUCKET }) }), 'x is not a function')
    expect(await allRows('SELECT id FROM uploaded_files WHERE domain_id = ?', domain.id)).toHaveLength(1)
  })
})

describe('a delivery by QStash whose row can not be reached', () => {
  test('is 503, and leaves it to QStash when to come back', async () => {
    const origin = 'https://callbacks.example'
    const { domain, id } = await setScene()
    const DB = faultyD1(env.DB, (sql) => (sql.startsWith('update "uploaded_files"') ? 'before' : undefined))
    const send = appWith({
      env: {
        DB,
        CALLBACK_URL: origin,
        QSTASH_TOKEN: devCredentials.token,
        QSTASH_CURRENT_SIGNING_KEY: devCredentials.currentSigningKey,
        QSTASH_NEXT_SIGNING_KEY: devCredentials.nextSigningKey,
      },
    })
    const job: Job = { kind: 'process', id, domainId: domain.id, generation: 1, publish: 1, bytes: 3 }
    const body = JSON.stringify(job)
    const url = `${origin}/internal/jobs`
    const signature = signDelivery({ url, body: Buffer.from(body) }, devCredentials.currentSigningKey, Date.now())
    const answer = await call('POST', url, { body, send, headers: { 'upstash-signature': signature } })
    expectProblem(answer, 503, 'unavailable')
    expect(answer.headers.has('retry-after')).toBe(false)
  })
})
