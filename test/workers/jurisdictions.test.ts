import { applyD1Migrations, type D1Migration, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { v7 as uuidv7 } from 'uuid'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import { noteDeadJob, runJob } from '../../src/services/run-job.ts'
import { noise } from '../support/e2e/bodies.ts'
import { apex } from '../support/workers/administration.ts'
import {
  type Answer,
  adminToken,
  type Call,
  call,
  expectProblem,
  expectStatus,
  putFile,
  type Send,
} from '../support/workers/client.ts'
import { follow } from '../support/workers/event-streams.ts'
import { appWith, depsWith, faultyD1, HeldQueue } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 30_000 })

const { TEST_DB_EU, TEST_BUCKET_EU, TEST_MIGRATIONS } = env as unknown as {
  TEST_DB_EU: D1Database
  TEST_BUCKET_EU: R2Bucket
  TEST_MIGRATIONS: D1Migration[]
}

/** A deployment with a place in the European Union beside its own. */
const bindings = { DB_EU: TEST_DB_EU, BUCKET_EU: TEST_BUCKET_EU }
const queue = new HeldQueue()
const send = appWith({ env: bindings, deps: () => ({ queue }) })

const places = [
  { name: 'own', db: env.DB, bucket: env.BUCKET },
  { name: 'eu', db: TEST_DB_EU, bucket: TEST_BUCKET_EU },
] as const

beforeAll(() => applyD1Migrations(TEST_DB_EU, TEST_MIGRATIONS))

let made = 0

function administer(method: string, path: string, body?: object, how: Call = {}): Promise<Answer> {
  return call(method, `${apex}/v1/${path}`, {
    key: adminToken,
    send,
    ...how,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
}

async function makeIn(jurisdiction: 'eu' | null, hostnames: string[] = []) {
  const slug = `place-${++made}`
  const answer = await administer('POST', 'domains', { slug, jurisdiction, hostnames })
  expectStatus(answer, 201)
  expect(answer.json.jurisdiction).toBe(jurisdiction)
  const key = await administer('POST', `domains/${slug}/keys`, { scopes: ['upload', 'read', 'delete', 'manage'] })
  expectStatus(key, 201)
  return { id: answer.json.id as string, slug, origin: `http://${slug}.localhost`, key: key.json.key as string }
}

/** What each place has of a domain, by table, and how many objects. Places that have nothing are left out. */
async function found(domain: { id: string }) {
  const tables = [
    'domain_accounts',
    'domain_policies',
    'api_keys',
    'uploaded_files',
    'file_events',
    'idempotency_keys',
    'dead_letters',
  ]
  const all: Record<string, Record<string, number>> = {}
  for (const { name, db, bucket } of places) {
    const counts: Record<string, number> = {}
    for (const table of tables) {
      const row = await db
        .prepare(`SELECT count(*) AS n FROM ${table} WHERE domain_id = ?`)
        .bind(domain.id)
        .first<{ n: number }>()
      if (row?.n) counts[table] = row.n
    }
    const { objects } = await bucket.list()
    const own = objects.filter(({ key }) => key.endsWith(`/${domain.id}`)).length
    if (own) counts.objects = own
    if (Object.keys(counts).length > 0) all[name] = counts
  }
  return all
}

/** Runs what is on the queue, in an isolate that knows nothing but the job. */
async function work(jobs: Job[] = queue.take()): Promise<void> {
  const deps = depsWith({ env: bindings, deps: () => ({ queue }) })
  for (const job of jobs) expect(await runJob(deps, job)).toBe(true)
}

async function sweep(afterMs: number): Promise<void> {
  const deps = depsWith({ env: bindings, deps: () => ({ queue, now: () => Date.now() + afterMs, log: () => {} }) })
  for (const place of deps.places) await reconcile({ ...deps, ...place })
}

describe('a domain of a jurisdiction', () => {
  test.each([
    ['eu', 'eu'],
    [null, 'own'],
  ] as const)('%s has its rows and objects there alone, for a file’s whole life', async (jurisdiction, place) => {
    const hostname = `files.${place}.example`
    const domain = await makeIn(jurisdiction, [hostname])
    const headers = { 'idempotency-key': 'one' }
    const { key } = domain
    const small = await putFile(domain.origin, 'small', 'abc', { key, headers, send })
    expectStatus(small, 202)
    const large = await putFile(domain.origin, 'large', noise(5 * 1024 * 1024 + 1), { key, send })
    expectStatus(large, 202)
    expect(await found(domain)).toEqual({
      [place]: {
        domain_accounts: 1,
        domain_policies: 1,
        api_keys: 1,
        uploaded_files: 2,
        file_events: 3,
        idempotency_keys: 1,
        objects: 2,
      },
    })
    await work()
    const list = await call('GET', `http://${hostname}/v1/uploads`, { key, send })
    expect(list.json.uploads.map(({ status }: { status: string }) => status)).toEqual(['complete', 'complete'])
    const content = await call('GET', `${domain.origin}/v1/uploads/${small.json.id}/content`, { key, send })
    expect(content.text).toBe('abc')
    // On the apex host nothing but the key says whose files they are.
    expectStatus(await call('GET', `${apex}/v1/uploads/${small.json.id}`, { key, send }), 200)
    const removed = await call('DELETE', `${domain.origin}/v1/uploads/${large.json.id}`, { key, send })
    expectStatus(removed, 204)
    expect((await found(domain))[place]).toMatchObject({ uploaded_files: 2, objects: 1 })
    // What no worker came for is published again by the sweep of its own place.
    expectStatus(await call('POST', `${domain.origin}/v1/uploads/${small.json.id}/reprocess`, { key, send }), 202)
    queue.take()
    await sweep(3600_000)
    expect(queue.published.map(({ job }) => job.id)).toContain(small.json.id)
    await work()
    const again = await call('GET', `${domain.origin}/v1/uploads/${small.json.id}`, { key, send })
    expect(again.json).toMatchObject({ status: 'complete', generation: 2 })
    expect(Object.keys(await found(domain))).toEqual([place])
  })

  test('is administered like any other, and listed among them', async () => {
    const domain = await makeIn('eu')
    const patched = await administer('PATCH', `domains/${domain.slug}`, { suspended: true, policy: { quotaFiles: 3 } })
    expect(patched.json).toMatchObject({
      jurisdiction: 'eu',
      policy: { quotaFiles: 3 },
      suspendedAt: expect.any(String),
    })
    expectProblem(await putFile(domain.origin, 'a', 'abc', { key: domain.key, send }), 403, 'domain-suspended')
    const keys = await administer('GET', `domains/${domain.slug}/keys`, undefined, { key: domain.key })
    expect(keys.json.keys).toHaveLength(1)
    expect(keys.json.keys[0].lastUsedAt).not.toBeNull()
    const list = await administer('GET', 'domains?limit=100')
    const listed = list.json.domains.find(({ slug }: { slug: string }) => slug === domain.slug)
    expect(listed).toEqual(patched.json)
    expectProblem(await administer('PATCH', `domains/${domain.slug}`, { jurisdiction: null }), 400, 'request-invalid')
  })

  test('is watched there', async () => {
    const domain = await makeIn('eu')
    const object = env.WATCHERS.getByName(domain.id)
    // What a deployment has in its bindings; nothing but its own place would answer with nothing.
    await runInDurableObject(object, (instance) => {
      Object.assign(instance, { env: { DB_EU: TEST_DB_EU } })
    })
    const stream = await follow(`${domain.origin}/v1/events`, { key: domain.key, send })
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key: domain.key, send }), 202)
    await work()
    const events = await stream.until(3)
    expect(events.map(({ data }) => data.status)).toEqual(['pending', 'processing', 'complete'])
    await stream.leave()
    // Elsewhere than on a developer's machine its object is in the jurisdiction as well, which this runtime does not know.
    const { watchers } = depsWith({ env: { ...bindings, MODE: 'production' } })
    const watch = { fileId: null, statuses: null, changeAfter: null, client: null }
    await expect(watchers.open({ id: domain.id, jurisdiction: 'eu' }, watch)).rejects.toThrow(/Jurisdiction/)
  })

  test('its dead letters are seen and sent again', async () => {
    const domain = await makeIn('eu')
    const { json } = await putFile(domain.origin, 'a', 'abc', { key: domain.key, send })
    const [job] = queue.take()
    await noteDeadJob(depsWith({ env: bindings }), job, 'it was too hard')
    expect((await found(domain)).eu).toMatchObject({ dead_letters: 1 })
    const letters = await administer('GET', 'admin/dead-letters')
    const letter = letters.json.deadLetters.find(({ rowId }: { rowId: string }) => rowId === json.id)
    expectStatus(await administer('POST', `admin/dead-letters/${letter.id}/retry`), 202)
    expect(queue.take()).toMatchObject([{ id: json.id, publish: 2 }])
  })

  test('is deleted, restored and purged there', async () => {
    const domain = await makeIn('eu')
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key: domain.key, send }), 202)
    expectStatus(await administer('DELETE', `domains/${domain.slug}`), 204)
    expectProblem(await call('GET', `${apex}/v1/uploads`, { key: domain.key, send }), 401, 'credential-invalid')
    const deleted = await administer('GET', 'domains?deleted=true')
    expect(deleted.json.domains.map(({ slug }: { slug: string }) => slug)).toEqual([domain.slug])
    expectStatus(await administer('POST', `domains/${domain.slug}/restore`), 200)
    expectStatus(await call('GET', `${apex}/v1/uploads`, { key: domain.key, send }), 200)
    expectStatus(await administer('DELETE', `domains/${domain.slug}`), 204)
    const hourMs = 3600_000
    for (const hours of [1, 3, 4, 5]) await sweep((7 * 24 + hours) * hourMs)
    expect(await found(domain)).toEqual({})
    expectProblem(await administer('GET', `domains/${domain.slug}`), 404, 'domain-not-found')
    // A job that comes so late finds nothing to do.
    await work([{ kind: 'process', id: uuidv7(), domainId: domain.id, generation: 1, publish: 1, bytes: 3 }])
  })

  test('is refused where there are no bindings for it, with the reason', async () => {
    const create = (jurisdiction: string, how?: Send) =>
      administer('POST', 'domains', { slug: `none-${++made}`, jurisdiction }, how ? { send: how } : {})
    const fedramp = expectProblem(await create('fedramp'), 400, 'request-invalid')
    expect(fedramp).toMatchObject({
      jurisdiction: 'fedramp',
      offered: ['eu'],
      detail: expect.stringContaining('operator'),
    })
    expectProblem(await create('eu', appWith({})), 400, 'request-invalid')
    expectProblem(await create('atlantis'), 400, 'request-invalid')
  })

  test('is 500 misconfigured for whoever comes to it when its bindings are gone, and runs no job', async () => {
    const domain = await makeIn('eu')
    queue.take()
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key: domain.key, send }), 202)
    const [job] = queue.take()
    // With another jurisdiction bound, and with none.
    for (const left of [{ DB_FEDRAMP: TEST_DB_EU, BUCKET_FEDRAMP: TEST_BUCKET_EU }, {}]) {
      const without = appWith({ env: left })
      const { slug, origin, key } = domain
      for (const answer of [
        await call('GET', `${apex}/v1/uploads`, { key, send: without }),
        await call('GET', `${origin}/v1/uploads`, { key, send: without }),
        await call('GET', `${origin}/v1/uploads`, { key: adminToken, send: without }),
        await administer('GET', `domains/${slug}`, undefined, { key, send: without }),
        await administer('GET', `domains/${slug}`, undefined, { send: without }),
        await administer('PATCH', `domains/${slug}`, { suspended: true }, { send: without }),
        await administer('GET', `domains/${slug}/usage`, undefined, { send: without }),
        await administer('DELETE', `domains/${slug}`, undefined, { send: without }),
      ]) {
        expectProblem(answer, 500, 'misconfigured')
      }
      await expect(runJob(depsWith({ env: left, deps: () => ({ log: () => {} }) }), job)).rejects.toThrow('no bindings')
      expectStatus(await administer('GET', 'domains', undefined, { send: without }), 200)
      expectProblem(await administer('GET', 'domains/no-such', undefined, { send: without }), 404, 'domain-not-found')
    }
    await work([job!])
  })

  test('one binding without the other is a mistake', async () => {
    for (const one of [{ DB_EU: TEST_DB_EU }, { BUCKET_EU: TEST_BUCKET_EU }]) {
      expect(() => depsWith({ env: one })).toThrow(/DB_EU and BUCKET_EU/)
    }
  })

  test('costs one look into the register, and then none', async () => {
    const domain = await makeIn('eu')
    const asked: string[] = []
    const DB = faultyD1(env.DB, (sql) => void asked.push(sql))
    const deps = depsWith({ env: { ...bindings, DB } })
    const isIn = async () => (await deps.placeOf(domain.id))?.jurisdiction
    expect(await Promise.all([await isIn(), await isIn()])).toEqual(['eu', 'eu'])
    expect(asked.filter((sql) => sql.includes('from "domains"'))).toHaveLength(1)
    expect(await deps.placeOf(uuidv7())).toBeNull()
  })
})
