import { env } from 'cloudflare:workers'
import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test, vi } from 'vitest'
import { commitWindowMs } from '../../src/core/object-key.ts'
import { noTrace } from '../../src/core/trace-context.ts'
import { reserveBytes } from '../../src/db/uploaded-files/claimed.ts'
import type { FileToCommit } from '../../src/db/uploaded-files/commit.ts'
import { commitOrRefuse } from '../../src/services/receive/commit.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import { type FormPart, noise } from '../support/e2e/bodies.ts'
import { eventually } from '../support/e2e/eventually.ts'
import {
  adminToken,
  allRows,
  type Call,
  call,
  chunkedBody,
  execute,
  expectProblem,
  expectStatus,
  field,
  file,
  heldExactly,
  holdings,
  isOpenMultipart,
  makeDomain,
  makeKey,
  nothingHeld,
  objectKeys,
  postForm as post,
  putFile as put,
  type Send,
  type TestDomain,
} from '../support/workers/client.ts'
import {
  appWith,
  depsWith,
  type Faults,
  faultyD1,
  HeldQueue,
  type Moment,
  overriding,
} from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 30_000 })

const partBytes = 5 * 1024 * 1024
const large = noise(2 * partBytes + 100)
const long = noise(4 * partBytes)
const pieces = Array.from({ length: 20 }, (_, number) => file(`${number}`, long.subarray(0, partBytes / 5)))

/** The Worker's interface with a queue that delivers nothing: what is tested here ends with the commit. */
const held = appWith({ deps: () => ({ queue: new HeldQueue() }) })
const postForm = (origin: string, parts: FormPart[], options: Call = {}) =>
  post(origin, parts, { send: held, ...options })
const putFile = (origin: string, name: string, body: Call['body'], options: Call = {}) =>
  put(origin, name, body, { send: held, ...options })

/** Whether a batch lets files in; only a claim writes a row that is `uploading`. */
const admits = (sql: string) => sql.includes('stored_files +')
const isClaim = (sql: string) => admits(sql) && sql.includes('\\"status\\":\\"uploading\\"')
const isReread = (sql: string) => sql.includes("NOT IN ('uploading', 'deleted')")

/** The interface on a database of which some statements fail, and a queue that delivers nothing by itself. */
function appOn(fault: (sql: string) => Moment | undefined, more: Faults['env'] = {}): { send: Send; queue: HeldQueue } {
  const queue = new HeldQueue()
  const send = appWith({ env: { DB: faultyD1(env.DB, fault), ...more }, deps: () => ({ queue }) })
  return { send, queue }
}

/** The ways in, each with files of these sizes. */
const ways: [name: string, sizes: number[], send: (domain: TestDomain, options: Call) => ReturnType<typeof call>][] = [
  ['a raw file', [3], (domain, options) => putFile(domain.origin, 'a', 'abc', options)],
  ['a large raw file', [large.length], (domain, options) => putFile(domain.origin, 'a', large, options)],
  [
    'a large file of unknown length',
    [large.length],
    (domain, options) => putFile(domain.origin, 'a', chunkedBody(large), options),
  ],
  [
    'a form of small and large files',
    [3, large.length, 4],
    (domain, options) => postForm(domain.origin, [file('a', 'abc'), file('b', large), file('c', 'abcd')], options),
  ],
]

/** Lets the commit fail, and no claim. */
const committing =
  (moment: Moment) =>
  (sql: string): Moment | undefined =>
    admits(sql) && !isClaim(sql) ? moment : undefined

describe.each(ways)('the outcome of a commit is unknown: %s', (_name, sizes, send) => {
  test('it happened, and only the answer was lost: 202, once', async () => {
    const domain = await makeDomain()
    const { send: through, queue } = appOn(committing('after'))
    const answer = await send(domain, { send: through })
    expectStatus(answer, 202)
    expect(await holdings(domain)).toEqual(heldExactly(...sizes))
    const ids = (answer.json.results ?? [{ upload: answer.json }]).map(
      (result: { upload: { id: string } }) => result.upload.id,
    )
    expect(queue.take().map((job) => job.id)).toEqual(ids)
    const rows = await allRows<{ id: string }>('SELECT id FROM uploaded_files WHERE domain_id = ?', domain.id)
    expect(rows.map((row) => row.id).sort()).toEqual([...ids].sort())
  })

  test('it did not happen: 503, and the objects stay for the reconciler', async () => {
    const domain = await makeDomain()
    const { send: through, queue } = appOn(committing('before'))
    const answer = await send(domain, { send: through })
    expectProblem(answer, 503, 'unavailable')
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(queue.take()).toEqual([])
    const held = await holdings(domain)
    expect(held.objects).toBe(sizes.length)
    const rows = await allRows<{ status: string }>('SELECT status FROM uploaded_files WHERE domain_id = ?', domain.id)
    // Small files have no row yet, large ones only their claim.
    expect(rows.map((row) => row.status)).toEqual(sizes.filter((size) => size > partBytes).map(() => 'uploading'))

    // Twelve hours later a commit is impossible, and the claims go with their objects.
    const deps = depsWith({ deps: () => ({ now: () => Date.now() + commitWindowMs + 60_000, queue }) })
    const [place] = deps.places
    await reconcile({ ...deps, ...place! })
    const small = sizes.filter((size) => size <= partBytes).length
    expect(await holdings(domain)).toEqual({ ...nothingHeld, objects: small })
  })

  test('it happened, and can not be read either: 503, and the files are there', async () => {
    const domain = await makeDomain()
    const { send: through } = appOn((sql) => (isReread(sql) ? 'before' : committing('after')(sql)))
    expectProblem(await send(domain, { send: through }), 503, 'unavailable')
    expect(await holdings(domain)).toEqual(heldExactly(...sizes))
  })
})

describe('a failure while files are stored leaves nothing', () => {
  /** Methods of the bucket, and of the uploads that it starts, of which the nth call fails before or after its effect. */
  const faultyBucket = (
    method: 'put' | 'createMultipartUpload' | 'uploadPart' | 'complete',
    moment: Moment,
    nth = 1,
  ) => {
    let calls = 0
    const started: { key: string; id: string }[] = []
    const guard = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
      const fails = name === method && ++calls === nth
      if (fails && moment === 'before') throw new Error(`${name}: We encountered an internal error. (10001)`)
      const result = await run()
      if (fails) throw new Error(`${name}: Network connection lost.`)
      return result
    }
    const bucket = overriding(env.BUCKET, {
      put: ((...args: Parameters<R2Bucket['put']>) => guard('put', () => env.BUCKET.put(...args))) as R2Bucket['put'],
      createMultipartUpload: (key) =>
        guard('createMultipartUpload', async () => {
          const upload = await env.BUCKET.createMultipartUpload(key)
          started.push({ key, id: upload.uploadId })
          return overriding(upload, {
            uploadPart: (...args) => guard('uploadPart', () => upload.uploadPart(...args)),
            complete: (parts) => guard('complete', () => upload.complete(parts)),
          })
        }),
    })
    return { bucket, started }
  }

  test.each([
    ['put', 'before', 1],
    ['put', 'after', 1],
    ['put', 'after', 2],
    ['createMultipartUpload', 'before', 1],
    ['uploadPart', 'before', 1],
    ['uploadPart', 'after', 1],
    ['uploadPart', 'before', 2],
    ['uploadPart', 'before', 3],
    ['uploadPart', 'after', 3],
    ['complete', 'before', 1],
    ['complete', 'after', 1],
  ] as const)('of R2: %s fails %s its effect, call %i', async (method, moment, nth) => {
    const domain = await makeDomain()
    const { bucket, started } = faultyBucket(method, moment, nth)
    const { send, queue } = appOn(() => undefined, { BUCKET: bucket })
    const parts = [file('a', 'abc'), file('b', large), file('c', 'abcd')]
    const problem = expectProblem(await postForm(domain.origin, parts, { send }), 503, 'unavailable')
    expect(JSON.stringify(problem)).not.toMatch(/10001|connection/)
    expect(await holdings(domain)).toEqual(nothingHeld)
    for (const { key, id } of started) expect(await isOpenMultipart(key, id)).toBe(false)
    expect(queue.take()).toEqual([])
  })

  test.each(['before', 'after'] as const)('of the claim, %s its effect', async (moment) => {
    const domain = await makeDomain()
    const { bucket, started } = faultyBucket('put', 'after', 99)
    const { send } = appOn((sql) => (isClaim(sql) ? moment : undefined), { BUCKET: bucket })
    expectProblem(await putFile(domain.origin, 'a', large, { send }), 503, 'unavailable')
    expect(await holdings(domain)).toEqual(nothingHeld)
    expect(started).toHaveLength(1)
    for (const { key, id } of started) expect(await isOpenMultipart(key, id)).toBe(false)
  })

  test('of the queue does not fail the upload: its row is due', async () => {
    const domain = await makeDomain()
    const publish = () => Promise.reject(new Error('queue down'))
    const send = appWith({ deps: () => ({ queue: { publish } }) })
    const answer = await putFile(domain.origin, 'a', 'abc', { send })
    expectStatus(answer, 202)
    const [row] = await allRows<{ next_publish_at: number; updated_at: number; publish_count: number }>(
      'SELECT next_publish_at, updated_at, publish_count FROM uploaded_files WHERE id = ?',
      answer.json.id,
    )
    expect(row).toMatchObject({ publish_count: 1, next_publish_at: row!.updated_at + 60_000 })
  })

  test('of R2 while what was refused is removed is left to the reconciler', async () => {
    const domain = await makeDomain()
    // The isolate remembers the domain as it was here, so that only the commit refuses.
    expectStatus(await call('GET', `${domain.origin}/v1/uploads`, { key: adminToken }), 200)
    await execute('UPDATE domain_accounts SET suspended_at = 1 WHERE domain_id = ?', domain.id)
    const remove = () => Promise.reject(new Error('R2 is down'))
    const { send } = appOn(() => undefined, { BUCKET: overriding(env.BUCKET, { delete: remove }) })
    expectProblem(await putFile(domain.origin, 'a', 'abc', { send }), 403, 'domain-suspended')
    expect(await holdings(domain)).toEqual({ ...nothingHeld, objects: 1 })
  })
})

describe('a value of D1’s has 2,000,000 bytes at most', () => {
  const tooBig = () => new Error('D1_ERROR: string or blob too big: SQLITE_TOOBIG')
  const mostBytes = 2_000_000

  /** The interface on a database that refuses what is larger, as D1 does where it is deployed; here it takes anything. */
  const send = appWith({
    env: {
      DB: faultyD1(
        env.DB,
        (sql) => (sql.split(';\n').some((statement) => statement.length > mostBytes) ? 'before' : undefined),
        tooBig,
      ),
    },
    deps: () => ({ queue: new HeldQueue() }),
  })

  test('as many files as a policy may allow, with all that may be said of each, are committed, and their answer kept', async () => {
    const domain = await makeDomain({ maxFilesPerRequest: 1000 })
    const type = `application/${'y'.repeat(127)}`
    const files = Array.from({ length: 1000 }, (_, number) =>
      number === 500
        ? file(`${number}.png`.padStart(255, 'x'), '<!doctype html>', 'image/png')
        : file(`${number}.txt`.padStart(255, 'x'), `${number}`, type),
    )
    const form = [field('metadata', JSON.stringify({ notes: 'n'.repeat(2000) })), ...files]
    const first = await postForm(domain.origin, form, { send, headers: { 'idempotency-key': 'k' } })
    expect(first.status).toBe(207)
    const repeat = await postForm(domain.origin, form, { send, headers: { 'idempotency-key': 'k' } })
    expect(repeat.status).toBe(207)
    const uploads = ({ json }: typeof first): unknown[] =>
      json.results.map(({ upload }: { upload?: unknown }) => upload ?? 'refused')
    expect(uploads(first).filter((upload) => upload !== 'refused')).toHaveLength(999)
    expect(uploads(repeat)).toEqual(uploads(first))
    expect(repeat.json.results[500].problem.code).toBe('type-contradicted')
    expect(await holdings(domain)).toMatchObject({ rows: 999, storedFiles: 999, objects: 999 })
  }, 120_000)

  test('a commit that has a larger one all the same was certainly not written, and leaves nothing', async () => {
    const domain = await makeDomain()
    const refusing = appWith({ env: { DB: faultyD1(env.DB, committing('before'), tooBig) } })
    const answer = await postForm(domain.origin, [file('a', 'abc'), file('b', large)], { send: refusing })
    expectProblem(answer, 500, 'internal')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

describe('what has changed since an isolate looked', () => {
  test('a domain that was closed to strangers takes nothing more from them', async () => {
    const domain = await makeDomain()
    expectStatus(await putFile(domain.origin, 'before', 'abc'), 202)
    await execute(
      "UPDATE domain_policies SET policy = json_set(policy, '$.anonymousUpload', json('false')) WHERE domain_id = ?",
      domain.id,
    )
    for (const body of ['abc', large]) {
      expectProblem(await putFile(domain.origin, 'after', body), 401, 'credential-required')
    }
    expectStatus(await putFile(domain.origin, 'after', 'abc', { key: adminToken }), 202)
    expect(await holdings(domain)).toEqual(heldExactly(3, 3))
  })

  test('a key that was revoked changes nothing more, though it is remembered', async () => {
    const domain = await makeDomain({ publicRead: false })
    const { id, key } = await makeKey(domain, ['upload', 'read', 'delete', 'manage'])
    const { json } = await putFile(domain.origin, 'a', 'abc', { key })
    const url = `${domain.origin}/v1/uploads/${json.id}`
    const administration = `http://localhost/v1/domains/${domain.slug}`
    await execute('UPDATE api_keys SET revoked_at = 1 WHERE id = ?', id)
    expectStatus(await call('GET', url, { key }), 200)
    const body = JSON.stringify({ scopes: ['manage'] })
    const headers = { 'content-type': 'application/json' }
    for (const answer of [
      await call('DELETE', url, { key }),
      await call('POST', `${url}/links`, { key, headers, body: '{}' }),
      await call('POST', `${url}/reprocess`, { key }),
      await call('POST', `${domain.origin}/v1/upload-tokens`, { key, headers, body: '{}' }),
      await call('POST', `${administration}/keys`, { key, headers, body }),
      await call('GET', administration, { key }),
      await putFile(domain.origin, 'b', 'abc', { key }),
    ]) {
      expectProblem(answer, 401, 'credential-invalid')
    }
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })

  test('content that was given out early is shut while its file is processed again', async () => {
    const domain = await makeDomain({ readBeforeComplete: true })
    const { json } = await putFile(domain.origin, 'a', 'abc')
    const url = `${domain.origin}/v1/uploads/${json.id}`
    expectStatus(await call('GET', `${url}/content`), 200)
    await execute("UPDATE uploaded_files SET status = 'failed' WHERE id = ?", json.id)
    expectStatus(await call('POST', `${url}/reprocess`, { key: adminToken, send: held }), 202)
    expectProblem(await call('GET', `${url}/content`), 409, 'not-ready')
  })
})

describe('the quota', () => {
  test.each([
    ['bytes', { quotaBytes: 10 }],
    ['files', { quotaFiles: 2 }],
  ])('of %s takes what just fits, and refuses one more of everything in a request', async (_name, policy) => {
    const domain = await makeDomain(policy)
    const fits = [file('a', '12345'), file('b', '67890')]
    expectProblem(await postForm(domain.origin, [...fits, file('c', 'x')]), 413, 'quota-exceeded')
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await postForm(domain.origin, fits), 202)
    expectProblem(await putFile(domain.origin, 'c', 'x'), 413, 'quota-exceeded')
    expect(await holdings(domain)).toEqual(heldExactly(5, 5))
  })

  test('refuses a large file of known length before its first part is written', async () => {
    const domain = await makeDomain({ quotaBytes: large.length - 1 })
    let parts = 0
    const bucket = overriding(env.BUCKET, {
      createMultipartUpload: async (key) => {
        const upload = await env.BUCKET.createMultipartUpload(key)
        const uploadPart: R2MultipartUpload['uploadPart'] = (...args) => {
          parts++
          return upload.uploadPart(...args)
        }
        return overriding(upload, { uploadPart })
      },
    })
    const { send } = appOn(() => undefined, { BUCKET: bucket })
    const { readable, writable } = new FixedLengthStream(large.length)
    const sending = new Response(new Uint8Array(large)).body!.pipeTo(writable)
    const headers = { 'content-length': String(large.length) }
    expectProblem(await putFile(domain.origin, 'a', readable, { send, headers }), 413, 'quota-exceeded')
    await sending
    expect(parts).toBe(0)
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test.each([
    ['a large file of a form', (origin: string, options: Call) => postForm(origin, [file('a', long)], options)],
    ['many small files of a form', (origin: string, options: Call) => postForm(origin, pieces, options)],
    [
      'a large file without a length',
      (origin: string, options: Call) => putFile(origin, 'a', chunkedBody(long), options),
    ],
  ])('is held against %s while it comes in, and not only when all is stored', async (_name, upload) => {
    const domain = await makeDomain({ quotaBytes: partBytes + 1 })
    let storedBytes = 0
    const count = (bytes: unknown) => {
      storedBytes += (bytes as Uint8Array).byteLength
    }
    const bucket = overriding(env.BUCKET, {
      put: (async (...args: Parameters<R2Bucket['put']>) => {
        count(args[1])
        return env.BUCKET.put(...args)
      }) as R2Bucket['put'],
      createMultipartUpload: async (key) => {
        const upload = await env.BUCKET.createMultipartUpload(key)
        return overriding(upload, {
          uploadPart: (...args) => {
            count(args[1])
            return upload.uploadPart(...args)
          },
        })
      },
    })
    expectProblem(
      await upload(
        domain.origin,
        appOn(() => undefined, { BUCKET: bucket }),
      ),
      413,
      'quota-exceeded',
    )
    expect(storedBytes).toBeLessThanOrEqual(partBytes)
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('is looked up once where it was full when the isolate looked, and no longer is', async () => {
    const domain = await makeDomain({ quotaBytes: long.length })
    const setStored = (bytes: number) =>
      execute('UPDATE domain_accounts SET stored_bytes = ? WHERE domain_id = ?', bytes, domain.id)
    await setStored(long.length)
    // The isolate remembers what it has seen here.
    expectStatus(await call('GET', `${domain.origin}/v1/uploads`, { key: adminToken }), 200)
    await setStored(0)
    let lookups = 0
    const { send } = appOn((sql) => {
      if (/^select .*month_uploads/i.test(sql)) lookups++
      return undefined
    })
    expectStatus(await postForm(domain.origin, [file('a', long)], { send }), 202)
    expect(lookups).toBe(1)
  })

  test.each([
    ['raw', (domain: TestDomain) => putFile(domain.origin, 'a', large)],
    ['chunked', (domain: TestDomain) => putFile(domain.origin, 'a', chunkedBody(large))],
    ['in a form', (domain: TestDomain) => postForm(domain.origin, [file('a', 'abc'), file('b', large)])],
  ])('refuses a large file %s and removes its parts', async (_name, send) => {
    const domain = await makeDomain({ quotaBytes: large.length - 1 })
    expectProblem(await send(domain), 413, 'quota-exceeded')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('can not be overrun by uploads at the same time', async () => {
    const domain = await makeDomain({ quotaFiles: 5, quotaBytes: 1000 })
    const answers = await Promise.all([
      ...Array.from({ length: 8 }, () => putFile(domain.origin, 'a', noise(10))),
      ...Array.from({ length: 4 }, () => postForm(domain.origin, [file('a', 'abc'), file('b', 'def')])),
    ])
    for (const answer of answers) if (answer.status !== 202) expectProblem(answer, 413, 'quota-exceeded')
    const held = await holdings(domain)
    expect(held.storedFiles).toBeGreaterThanOrEqual(4)
    expect(held.storedFiles).toBeLessThanOrEqual(5)
    expect(held).toEqual({ ...held, rows: held.storedFiles, objects: held.storedFiles, rowBytes: held.storedBytes })
  })

  test('in bytes can not be overrun by large uploads at the same time', async () => {
    const domain = await makeDomain({ quotaBytes: 2 * large.length })
    const answers = await Promise.all([
      ...Array.from({ length: 2 }, () => putFile(domain.origin, 'a', large)),
      ...Array.from({ length: 2 }, () => putFile(domain.origin, 'a', chunkedBody(large))),
    ])
    const accepted = answers.filter((answer) => answer.status === 202).length
    for (const answer of answers) if (answer.status !== 202) expectProblem(answer, 413, 'quota-exceeded')
    expect(accepted).toBeGreaterThanOrEqual(1)
    expect(accepted).toBeLessThanOrEqual(2)
    expect(await holdings(domain)).toEqual(heldExactly(...Array(accepted).fill(large.length)))
  })

  test('is freed by a deletion, once, and also when it was lowered meanwhile', async () => {
    const domain = await makeDomain({ quotaFiles: 2 })
    const made = await postForm(domain.origin, [file('a', 'abc'), file('b', 'abcd')])
    expectStatus(made, 202)
    const policy = JSON.stringify({ ...domain.policy, quotaFiles: 1 })
    await execute('UPDATE domain_policies SET policy = ? WHERE domain_id = ?', policy, domain.id)
    const url = `${domain.origin}/v1/uploads/${made.json.results[0].upload.id}`
    const answers = await Promise.all(Array.from({ length: 6 }, () => call('DELETE', url, { key: adminToken })))
    expect(answers.map((answer) => answer.status).sort()).toEqual([204, 410, 410, 410, 410, 410])
    await eventually(async () => expect(await holdings(domain)).toEqual(heldExactly(4)))
    expectProblem(await putFile(domain.origin, 'c', 'abc'), 413, 'quota-exceeded')
  })

  test('holds what a large upload has reserved while it comes in', async () => {
    const domain = await makeDomain({ quotaBytes: large.length })
    const { writer, answering, claimed } = await startLarge(domain)
    expect((await claimed()).size).toBe(large.length)
    expect(await holdings(domain)).toMatchObject({ storedFiles: 1, storedBytes: large.length, openMultiparts: 1 })
    expectProblem(await putFile(domain.origin, 'b', 'x'), 413, 'quota-exceeded')
    await writer.write(large.subarray(partBytes + 1000))
    await writer.close()
    expectStatus(await answering, 202)
    expect(await holdings(domain)).toEqual(heldExactly(large.length))
  })
})

describe('a domain whose policy is missing', () => {
  const forgetPolicy = (domain: TestDomain) => execute('DELETE FROM domain_policies WHERE domain_id = ?', domain.id)

  test('takes no file, though no quota says so', async () => {
    const domain = await makeDomain()
    await forgetPolicy(domain)
    const committer = { domainId: domain.id, keyId: null, token: null, isAnonymous: false }
    const commit = commitOrRefuse(depsWith().control, committer, [fileToCommit(uuidv7(), domain)], Date.now())
    await expect(commit).rejects.toMatchObject({ code: 'domain-not-found' })
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('gives a claim no more room', async () => {
    const domain = await makeDomain()
    const { writer, answering, claimed } = await startLarge(domain)
    const { id, size } = await claimed()
    await forgetPolicy(domain)
    const reserved = reserveBytes(depsWith().control, { domainId: domain.id, id }, { from: size, to: size + 1 })
    await expect(reserved).rejects.toMatchObject({ cause: { message: expect.stringContaining('domain_deleted') } })
    await writer.abort(new Error('gone'))
    await answering
  })
})

describe('a claim', () => {
  test('that is deleted while its bytes come in is lost: 410, and nothing is left', async () => {
    const domain = await makeDomain()
    const { writer, answering, claimed } = await startLarge(domain)
    const { id } = await claimed()
    expectStatus(await call('DELETE', `${domain.origin}/v1/uploads/${id}`, { key: adminToken }), 204)
    // Its parts may be refused from now on, or only the commit.
    await writer.write(large.subarray(partBytes + 1000)).catch(() => {})
    await writer.close().catch(() => {})
    expectProblem(await answering, 410, 'upload-deleted')
    await eventually(async () => expect(await holdings(domain)).toEqual(nothingHeld))
    expect(await objectKeys()).not.toContain(`${id}/${domain.id}`)
  })

  test('older than twelve hours can not be committed', async () => {
    const domain = await makeDomain()
    const { control } = depsWith()
    const commit = (createdAt: number) => {
      const id = uuidv7({ msecs: createdAt })
      const committer = { domainId: domain.id, keyId: null, token: null, isAnonymous: false }
      return commitOrRefuse(control, committer, [fileToCommit(id, domain)], Date.now())
    }
    await expect(commit(Date.now() - commitWindowMs - 60_000)).rejects.toMatchObject({ code: 'body-timeout' })
    expect(await holdings(domain)).toEqual(nothingHeld)
    await commit(Date.now() - commitWindowMs + 60_000)
    expect(await holdings(domain)).toMatchObject({ storedFiles: 1, storedBytes: 3, rows: 1 })
  })

  test('is shown as uploading, and has no content', async () => {
    const domain = await makeDomain({ readBeforeComplete: true })
    const { writer, answering, claimed } = await startLarge(domain)
    const { id } = await claimed()
    const shown = await call('GET', `${domain.origin}/v1/uploads/${id}`)
    expect(shown.json).toMatchObject({ status: 'uploading', sha256: '', lastEvent: 1 })
    expectProblem(await call('GET', `${domain.origin}/v1/uploads/${id}/content`), 409, 'not-ready')
    const again = await call('POST', `${domain.origin}/v1/uploads/${id}/reprocess`, { key: adminToken })
    expectProblem(again, 409, 'status-conflict')
    await writer.abort(new Error('gone'))
    expectProblem(await answering, 400, 'body-incomplete')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

function fileToCommit(id: string, domain: TestDomain): FileToCommit {
  return {
    id,
    objectKey: `${id}/${domain.id}`,
    filename: 'a',
    declaredType: null,
    type: 'text/plain',
    charset: null,
    size: 3,
    sha256: '',
    metadata: {},
    protocol: 'raw',
    callbackUrl: null,
    trace: noTrace,
    claim: null,
  }
}

/** Begins a large raw upload, and gives it in the hands of the test after its first part. */
async function startLarge(domain: TestDomain) {
  const { readable, writable } = new FixedLengthStream(large.length)
  const writer = writable.getWriter()
  const headers = { 'content-length': String(large.length) }
  const answering = putFile(domain.origin, 'a', readable, { headers })
  await writer.write(large.subarray(0, partBytes + 1000))
  const claimed = () =>
    eventually(async () => {
      const [row] = await allRows<{ id: string; size: number }>(
        "SELECT id, size FROM uploaded_files WHERE domain_id = ? AND status = 'uploading'",
        domain.id,
      )
      expect(row).toBeDefined()
      return row!
    })
  return { writer, answering, claimed }
}
