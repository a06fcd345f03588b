import { env } from 'cloudflare:workers'
import { afterAll, describe, expect, test, vi } from 'vitest'
import type { Domain } from '../../src/core/domain.ts'
import { commitWindowMs } from '../../src/core/object-key.ts'
import { TimedCache } from '../../src/core/timed-cache.ts'
import { DomainDirectory } from '../../src/services/domain-directory.ts'
import { purgeDeletedDomains } from '../../src/services/reconcile/purge-deleted-domains.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import { removeDeletedObjects } from '../../src/services/reconcile/remove-deleted-objects.ts'
import { runJob } from '../../src/services/run-job.ts'
import { administer, apex } from '../support/workers/administration.ts'
import {
  adminToken,
  allRows,
  call,
  chunkedBody,
  completeUpload,
  execute,
  expectProblem,
  expectStatus,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  makeKey,
  nothingHeld,
  objectKeys,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, depsWith, faultyD1, HeldQueue, overriding } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 120_000 })
afterAll(jobsDone, 120_000)

const asAdmin = { key: adminToken }
const hourMs = 3600_000
const isFull = Boolean((env as unknown as Record<string, unknown>).STEVEDORE_TEST_FULL)
const graceMs = 7 * 24 * hourMs
const large = new Uint8Array(5 * 1024 * 1024 + 1)

const close = async (domain: TestDomain) => expectStatus(await administer(domain, 'DELETE'), 204)
const restore = (domain: TestDomain, afterMs = 0) =>
  administer(domain, 'POST', '/restore', undefined, {
    send: appWith({ deps: () => ({ now: () => Date.now() + afterMs }) }),
  })

/** Everything that a domain has anywhere. */
async function leftOf(domain: TestDomain) {
  const count = async (table: string, column = 'domain_id') =>
    (await allRows(`SELECT 1 FROM ${table} WHERE ${column} = ?`, domain.id)).length
  return {
    names: await count('domains', 'id'),
    hostnames: await count('hostnames'),
    accounts: await count('domain_accounts'),
    policies: await count('domain_policies'),
    keys: await count('api_keys'),
    idempotencyKeys: await count('idempotency_keys'),
    deadLetters: await count('dead_letters'),
    days: await count('domain_days'),
    files: await count('uploaded_files'),
    events: await count('file_events'),
    objects: (await objectKeys()).filter((key) => key.endsWith(`/${domain.id}`)).length,
  }
}

const nothingLeft = {
  names: 0,
  hostnames: 0,
  accounts: 0,
  policies: 0,
  keys: 0,
  idempotencyKeys: 0,
  deadLetters: 0,
  days: 0,
  files: 0,
  events: 0,
  objects: 0,
}

/** One turn of the chores that a purge needs, this long after now; returns what the purge says. */
async function sweep(afterMs: number, bindings: Record<string, unknown> = {}): Promise<number> {
  const deps = depsWith({ env: bindings, deps: () => ({ now: () => Date.now() + afterMs, log: () => {} }) })
  const [place] = deps.places
  const parts = { ...deps, ...place! }
  const options = { dryRun: false, acceptOrphans: false }
  await removeDeletedObjects(parts, options).catch(() => {})
  return purgeDeletedDomains(parts, options).catch(() => 0)
}

/** A domain with one of everything. */
async function fullDomain(): Promise<TestDomain> {
  const domain = await makeDomain({}, [`${crypto.randomUUID()}.example`])
  const { key } = await makeKey(domain, ['upload', 'manage'])
  const queue = new HeldQueue()
  const send = appWith({ deps: () => ({ queue }) })
  const headers = { 'idempotency-key': 'one' }
  expectStatus(await putFile(domain.origin, 'a', 'abc', { key, headers, send }), 202)
  expectStatus(await putFile(domain.origin, 'b', 'abcd', { key, send }), 202)
  const gone = await putFile(domain.origin, 'c', 'gone', { key, send })
  expectStatus(await call('DELETE', `${domain.origin}/v1/uploads/${gone.json.id}`, { ...asAdmin, send }), 204)
  await execute(
    `INSERT INTO dead_letters (id, kind, row_id, domain_id, generation, publish, reason, created_at)
      VALUES (?, 'process', ?, ?, 1, 1, ?, 1)`,
    crypto.randomUUID(),
    gone.json.id,
    domain.id,
    'test',
  )
  for (const job of queue.take()) await runJob(depsWith(), job)
  return domain
}

describe('a deleted domain', () => {
  test('is closed at once for everybody, in this isolate', async () => {
    const domain = await makeDomain({}, ['closed.example'])
    const { id } = await completeUpload(domain, 'abc')
    const { key } = await makeKey(domain, ['upload', 'read', 'manage'])
    expectStatus(await call('GET', `${domain.origin}/v1/uploads`, { key }), 200)
    await close(domain)
    for (const to of [domain.origin, 'http://closed.example', `${apex}?domain=${domain.slug}`]) {
      const url = new URL(to)
      const list = await call('GET', `${url.origin}/v1/uploads${url.search}`, asAdmin)
      expectProblem(list, 404, 'domain-not-found')
    }
    expectProblem(await call('GET', `${domain.origin}/v1/uploads/${id}/content`), 404, 'domain-not-found')
    expectProblem(await putFile(domain.origin, 'a', 'abc'), 404, 'domain-not-found')
    expectProblem(await call('GET', `${apex}/v1/uploads`, { key }), 401, 'credential-invalid')
    expectProblem(await administer(domain, 'GET', '', undefined, { key }), 401, 'credential-invalid')
    for (const [method, path] of [
      ['PATCH', ''],
      ['GET', '/keys'],
      ['DELETE', '/hostnames/closed.example'],
    ] as const) {
      const answer = await administer(domain, method, path, method === 'PATCH' ? {} : undefined)
      expectProblem(answer, 404, 'domain-not-found')
    }
    // Its administrator sees it, and may say it again.
    expect((await administer(domain, 'GET')).json.deletedAt).toEqual(expect.any(String))
    await close(domain)
    expectProblem(await administer({ slug: 'no-such' }, 'DELETE'), 404, 'domain-not-found')
  })

  test('accepts nothing more in an isolate that does not know yet, not even what was begun', async () => {
    const domain = await makeDomain()
    const cache = new TimedCache<Domain>(30_000)
    let now = Date.now()
    const send = appWith({
      deps: (deps) => ({ now: () => now, directory: new DomainDirectory({ ...deps, cache, now: () => now }) }),
    })
    expectStatus(await putFile(domain.origin, 'a', 'abc', { send }), 202)
    const claimed = Promise.withResolvers<void>()
    const deleted = Promise.withResolvers<void>()
    const pieces = chunkedBody(large).pipeThrough(
      new TransformStream({
        async flush() {
          claimed.resolve()
          await deleted.promise
        },
      }),
    )
    const running = putFile(domain.origin, 'b', pieces, { send })
    await claimed.promise
    await close(domain)
    expectProblem(await putFile(domain.origin, 'a', 'abc', { send }), 404, 'domain-not-found')
    deleted.resolve()
    expectProblem(await running, 404, 'domain-not-found')
    expect(await holdings(domain)).toEqual(heldExactly(3))
    // What was there is read until the isolate asks again.
    expectStatus(await call('GET', `${domain.origin}/v1/uploads`, { ...asAdmin, send }), 200)
    now += 30_000
    expectProblem(await call('GET', `${domain.origin}/v1/uploads`, { ...asAdmin, send }), 404, 'domain-not-found')
  })

  test('keeps its names while it can be restored', async () => {
    const domain = await makeDomain({}, ['kept.example'])
    await close(domain)
    const headers = { 'content-type': 'application/json' }
    const make = (body: object) =>
      call('POST', `${apex}/v1/domains`, { ...asAdmin, headers, body: JSON.stringify(body) })
    expectProblem(await make({ slug: domain.slug }), 409, 'domain-exists')
    expectProblem(await make({ slug: 'heir', hostnames: ['kept.example'] }), 409, 'hostname-taken')
  })
})

describe('restoring', () => {
  test('gives back all of it: names, keys, policy, files, and those that were processed meanwhile', async () => {
    const domain = await makeDomain({ quotaFiles: 9 }, ['back.example'])
    const { key } = await makeKey(domain, ['upload', 'read'])
    const queue = new HeldQueue()
    const { json: waiting } = await putFile(domain.origin, 'a', 'abc', {
      key,
      send: appWith({ deps: () => ({ queue }) }),
    })
    const before = (await administer(domain, 'GET')).json
    await close(domain)
    const [job] = queue.take()
    await runJob(depsWith(), job)
    expect(await sweep(graceMs - hourMs)).toBe(0)
    expect((await restore(domain)).json).toEqual(before)
    const read = await call('GET', `http://back.example/v1/uploads/${waiting.id}`, { key })
    expect(read.json).toMatchObject({ status: 'complete', filename: 'a' })
    expect((await call('GET', `${domain.origin}/v1/uploads/${waiting.id}/content`, { key })).text).toBe('abc')
    expectStatus(await putFile(domain.origin, 'b', 'abc', { key }), 202)
    // One that is open stays as it is.
    expect((await restore(domain)).json).toEqual({ ...before, stored: { files: 2, bytes: 6 } })
  })

  test('is too late after the grace time, and for what is being removed', async () => {
    const domain = await makeDomain()
    await close(domain)
    expectProblem(await restore(domain, graceMs), 410, 'domain-deleted')
    await execute('UPDATE domain_accounts SET purge_started_at = 1 WHERE domain_id = ?', domain.id)
    expectProblem(await restore(domain), 410, 'domain-deleted')
    expectProblem(await restore({ ...domain, slug: 'no-such' }), 404, 'domain-not-found')
  })

  test('is offered by the list of deleted domains as long as it is possible, and not once removal has begun', async () => {
    const domain = await makeDomain()
    await close(domain)
    const isListed = async (query: string, afterMs: number) => {
      const send = appWith({ deps: () => ({ now: () => Date.now() + afterMs }) })
      const answer = await call('GET', `${apex}/v1/domains?limit=100${query}`, { ...asAdmin, send })
      expectStatus(answer, 200)
      return answer.json.domains.some(({ slug }: { slug: string }) => slug === domain.slug)
    }
    expect(await isListed('&deleted=true', graceMs - 60_000)).toBe(true)
    expect(await isListed('&deleted=true', graceMs + 60_000)).toBe(false)
    await execute('UPDATE domain_accounts SET purge_started_at = 1 WHERE domain_id = ?', domain.id)
    expect(await isListed('&deleted=true', 0)).toBe(false)
    expect(await isListed('', 0)).toBe(false)
  })

  test('has its time set by the operator', async () => {
    const domain = await makeDomain()
    await close(domain)
    const deps = depsWith({ env: { DOMAIN_GRACE_DAYS: '1' } })
    const dueAfter = async (ms: number) => {
      const parts = { ...deps, ...deps.places[0]!, now: () => Date.now() + ms }
      await purgeDeletedDomains(parts, { dryRun: false, acceptOrphans: false })
      return (await leftOf(domain)).accounts === 0
    }
    expect(await dueAfter(23 * hourMs)).toBe(false)
    expect(await dueAfter(24 * hourMs)).toBe(true)
  })
})

describe('after the grace time', () => {
  test('a dry run counts, and removes nothing', async () => {
    const domain = await fullDomain()
    await close(domain)
    const before = await leftOf(domain)
    const deps = depsWith({ deps: () => ({ now: () => Date.now() + graceMs + 1000 }) })
    const report = await reconcile({ ...deps, ...deps.places[0]! }, { dryRun: true, acceptOrphans: false })
    expect(report.purgedDomains).toBe((await allRows('SELECT 1 FROM domain_accounts WHERE deleted_at > 0')).length)
    expect(await leftOf(domain)).toEqual(before)
    await restore(domain)
  })

  test('everything goes: the objects first, and what tells of them when they are gone for good', async () => {
    const domain = await fullDomain()
    const neighbour = await fullDomain()
    const before = await leftOf(neighbour)
    await close(domain)
    await sweep(graceMs + 1000)
    expect(await leftOf(domain)).toMatchObject({ objects: 0, accounts: 1, names: 1, hostnames: 1, keys: 1 })
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectProblem(await restore(domain), 410, 'domain-deleted')
    // A late write may land within an hour.
    await sweep(graceMs + 30 * 60_000)
    expect(await leftOf(domain)).toMatchObject({ accounts: 1, names: 1 })
    for (let turn = 0; turn < 3; turn++) await sweep(graceMs + hourMs + 120_000)
    expect(await leftOf(domain)).toEqual(nothingLeft)
    expect(await leftOf(neighbour)).toEqual(before)
    expectProblem(await administer(domain, 'GET'), 404, 'domain-not-found')
    // The slug is free again.
    const body = JSON.stringify({ slug: domain.slug })
    const headers = { 'content-type': 'application/json' }
    expectStatus(await call('POST', `${apex}/v1/domains`, { ...asAdmin, headers, body }), 201)
  })

  test('a claim that is still being written goes as well', async () => {
    const domain = await makeDomain()
    const started = await env.BUCKET.createMultipartUpload(`${crypto.randomUUID()}/${domain.id}`)
    const id = started.key.slice(0, 36)
    await execute(
      `INSERT INTO uploaded_files (id, domain_id, object_key, r2_upload_id, filename, type, size, sha256, status, metadata,
        protocol, last_event, created_at, updated_at) VALUES (?, ?, ?, ?, 'a', 'text/plain', 7, '', 'uploading', '{}', 'raw', 1, ?, 1)`,
      id,
      domain.id,
      started.key,
      started.uploadId,
      Date.now() - commitWindowMs,
    )
    await execute('UPDATE domain_accounts SET stored_files = 1, stored_bytes = 7 WHERE domain_id = ?', domain.id)
    await close(domain)
    await sweep(graceMs + 1000)
    expect(await holdings(domain)).toEqual(nothingHeld)
    for (let turn = 0; turn < 3; turn++) await sweep(graceMs + hourMs + 120_000)
    expect(await leftOf(domain)).toEqual(nothingLeft)
  })

  test('many domains are shared out, and a large one keeps nobody waiting', async () => {
    const busy = await makeDomain()
    await storeMany(busy)
    await close(busy)
    const others = [await makeDomain(), await makeDomain()]
    for (const other of others) await close(other)
    await sweep(graceMs + 1000)
    expect((await holdings(busy)).rows).toBeGreaterThan(0)
    for (const other of others) expect(await leftOf(other)).toEqual(nothingLeft)
    for (let turn = 0; turn < 4; turn++) await sweep(graceMs + 2000)
    expect(await holdings(busy)).toEqual(nothingHeld)
  })

  test('whatever call fails in the middle, the next sweeps finish', async () => {
    /** Sweeps a full domain away, of which the call with this number fails; returns how many calls there were. */
    const live = async (failing: number, moment: 'before' | 'after'): Promise<number> => {
      const domain = await fullDomain()
      await close(domain)
      let calls = 0
      const fails = () => (calls++ === failing ? moment : undefined)
      const remove = async (keys: string | string[]) => {
        const failed = fails()
        if (failed === 'before') throw new Error('Network connection lost.')
        await env.BUCKET.delete(keys)
        if (failed === 'after') throw new Error('Network connection lost.')
      }
      const bindings = { DB: faultyD1(env.DB, fails), BUCKET: overriding(env.BUCKET, { delete: remove }) }
      for (const after of [1000, 2000, hourMs + 120_000, hourMs + 130_000]) await sweep(graceMs + after, bindings)
      for (let turn = 0; turn < 3; turn++) await sweep(graceMs + 3 * hourMs)
      expect(await leftOf(domain), `call ${failing} of ${calls} failed ${moment}`).toEqual(nothingLeft)
      return calls
    }
    const calls = await live(-1, 'before')
    expect(calls).toBeGreaterThan(20)
    for (let failing = 0; failing < calls; failing += isFull ? 1 : 5) {
      await live(failing, failing % 2 === 0 ? 'before' : 'after')
    }
  })
})

/** More files than one sweep takes on: rows with their objects, written as commits would have. */
async function storeMany(domain: TestDomain): Promise<void> {
  const ids = Array.from({ length: 210 }, () => crypto.randomUUID())
  await Promise.all(ids.map((id) => env.BUCKET.put(`${id}/${domain.id}`, 'x')))
  await execute(
    `INSERT INTO uploaded_files (id, domain_id, object_key, filename, type, size, sha256, status, metadata, protocol,
        last_event, created_at, updated_at)
      SELECT value, ?, value || '/' || ?, 'a', 'text/plain', 1, 'x', 'complete', '{}', 'raw', 1, 1, 1 FROM json_each(?)`,
    domain.id,
    domain.id,
    JSON.stringify(ids),
  )
  await execute('UPDATE domain_accounts SET stored_files = 210, stored_bytes = 210 WHERE domain_id = ?', domain.id)
}
