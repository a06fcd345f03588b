import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import { unmeasured } from '../../src/core/ports.ts'
import { openDatabase } from '../../src/db/database.ts'
import { findUsage } from '../../src/db/domain-accounts.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import { noise } from '../support/e2e/bodies.ts'
import {
  adminToken,
  allRows,
  call,
  execute,
  expectProblem,
  expectStatus,
  file,
  heldExactly,
  holdings,
  makeDomain,
  postForm,
  putFile,
} from '../support/workers/client.ts'
import { appWith, depsWith, HeldQueue, overriding } from '../support/workers/faults.ts'
import { png } from '../support/workers/samples.ts'
import { create } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 30_000 })

const partBytes = 5 * 1024 * 1024
/** Nothing here is about processing. */
const send = appWith({ deps: () => ({ queue: new HeldQueue() }) })
const usageOf = (domain: { id: string }) => findUsage(openDatabase(env.DB, unmeasured), domain.id)

/** Files and bytes of each of the last days, as the interface tells them. */
const dailyOf = async (domain: { slug: string }, days: number) => {
  const answer = await call('GET', `http://localhost/v1/domains/${domain.slug}/usage/daily?days=${days}`, {
    key: adminToken,
    send,
  })
  expectStatus(answer, 200)
  return answer.json.days.map(({ files, bytes }: { files: number; bytes: number }) => [files, bytes])
}

/** Makes a domain count as one that has stored this much, before anybody has looked it up. */
const stores = (domain: { id: string }, bytes: number) =>
  execute(
    'UPDATE domain_accounts SET stored_files = ?, stored_bytes = ? WHERE domain_id = ?',
    bytes && 1,
    bytes,
    domain.id,
  )

describe('a request that the quota can not hold', () => {
  /** The interface on a bucket that counts what is written to it. */
  function counting() {
    const written = { calls: 0 }
    const counted = async <T>(write: Promise<T>) => {
      written.calls += 1
      return write
    }
    const BUCKET = overriding(env.BUCKET, {
      put: ((...call: Parameters<R2Bucket['put']>) => counted(env.BUCKET.put(...call))) as R2Bucket['put'],
      createMultipartUpload: (key) => counted(env.BUCKET.createMultipartUpload(key)),
    })
    return { written, send: appWith({ env: { BUCKET }, deps: () => ({ queue: new HeldQueue() }) }) }
  }

  test.each([
    ['more bytes than the whole quota', { quotaBytes: 10 }, 0, noise(11)],
    ['more bytes than are left', { quotaBytes: 10 }, 4, noise(7)],
    ['more than are left, in parts', { quotaBytes: 2 * partBytes }, 1, noise(2 * partBytes)],
    ['one file more', { quotaFiles: 1 }, 1, noise(1)],
    ['an empty file more', { quotaFiles: 1 }, 1, noise(0)],
  ])('is refused before a byte is written: %s', async (_name, policy, bytes, content) => {
    const domain = await makeDomain(policy)
    await stores(domain, bytes)
    const { written, send: counted } = counting()
    const headers = { 'content-length': String(content.length) }
    expectProblem(await putFile(domain.origin, 'more', content, { send: counted, headers }), 413, 'quota-exceeded')
    if ('quotaFiles' in policy) {
      const form = await postForm(domain.origin, [file('more', content)], { send: counted })
      expectProblem(form, 413, 'quota-exceeded')
    }
    expect(written.calls).toBe(0)
    expect(await holdings(domain)).toMatchObject({ rows: 0, objects: 0, openMultiparts: 0 })
  })

  test('frees its idempotency key, and may be repeated when there is room', async () => {
    const domain = await makeDomain({ quotaFiles: 1 })
    const first = await putFile(domain.origin, 'a', 'abc', { send })
    const options = { send, headers: { 'idempotency-key': 'one' } }
    expectProblem(await putFile(domain.origin, 'b', 'abcd', options), 413, 'quota-exceeded')
    await call('DELETE', `${domain.origin}/v1/uploads/${first.json.id}`, { send, key: adminToken })
    expectStatus(await putFile(domain.origin, 'b', 'abcd', options), 202)
    expect(await holdings(domain)).toEqual(heldExactly(4))
  })

  test('is answered again when it was accepted before, though the quota is used up by itself', async () => {
    const domain = await makeDomain({ quotaFiles: 1, quotaBytes: 3 })
    const options = { send, headers: { 'idempotency-key': 'one' } }
    const first = await putFile(domain.origin, 'a', 'abc', options)
    const again = await putFile(domain.origin, 'a', 'abc', options)
    expectStatus(again, 202)
    expect(again.json.id).toBe(first.json.id)
  })
})

test('a domain that an isolate remembers as full takes uploads again as soon as there is room', async () => {
  const domain = await makeDomain({ quotaBytes: 5 })
  await stores(domain, 5)
  expectProblem(await putFile(domain.origin, 'b', 'a', { send }), 413, 'quota-exceeded')
  await stores(domain, 0)
  expectStatus(await putFile(domain.origin, 'b', 'a', { send }), 202)
})

describe('the count of the month', () => {
  test('is of accepted files: small, large, many in one form, and not of refused or repeated ones', async () => {
    const domain = await makeDomain({ deniedTypes: ['image/png'] })
    expect(await usageOf(domain)).toEqual({ files: 0, bytes: 0, uploadsThisMonth: 0 })
    await putFile(domain.origin, 'small', 'abc', { send })
    await putFile(domain.origin, 'large', noise(partBytes + 1), { send })
    await postForm(domain.origin, [file('a', 'a'), file('b', 'b')], { send })
    const headers = { 'idempotency-key': 'one' }
    for (let time = 0; time < 3; time++) await putFile(domain.origin, 'once', 'abc', { send, headers })
    expectProblem(await putFile(domain.origin, 'no', png(2, 2), { send }), 415, 'type-not-allowed')
    const bytes = 3 + partBytes + 1 + 2 + 3
    expect(await usageOf(domain)).toEqual({ files: 5, bytes, uploadsThisMonth: 5 })
    expect(await dailyOf(domain, 1)).toEqual([[5, bytes]])
  })

  test('stays when a file is deleted, and begins again with the month', async () => {
    const domain = await makeDomain()
    const { json } = await putFile(domain.origin, 'a', 'abc', { send })
    await call('DELETE', `${domain.origin}/v1/uploads/${json.id}`, { send, key: adminToken })
    expect(await usageOf(domain)).toEqual({ files: 0, bytes: 0, uploadsThisMonth: 1 })

    await execute("UPDATE domain_accounts SET usage_month = '2020-01' WHERE domain_id = ?", domain.id)
    expect(await usageOf(domain)).toMatchObject({ uploadsThisMonth: 0 })
    await putFile(domain.origin, 'b', 'abc', { send })
    expect(await usageOf(domain)).toMatchObject({ uploadsThisMonth: 1 })
  })
})

describe('what came in day by day', () => {
  const nothing = [0, 0]

  /** A night passes: what came in today did so the day before. */
  const sleep = (domain: { id: string }) =>
    execute("UPDATE domain_days SET day = date(day, '-1 day') WHERE domain_id = ?", domain.id)

  test('is of accepted files of the last days alone, deleted or not, and of this domain', async () => {
    const domain = await makeDomain()
    const other = await makeDomain()
    const put = async (to: { origin: string }, content: string) =>
      (await putFile(to.origin, 'a', content, { send })).json.id
    expect(await dailyOf(domain, 2)).toEqual([nothing, nothing])
    await put(domain, 'four')
    await sleep(domain)
    await put(domain, 'three')
    await put(domain, 'three too')
    await sleep(domain)
    await sleep(domain)
    const deleted = await put(domain, 'today')
    await call('DELETE', `${domain.origin}/v1/uploads/${deleted}`, { send, key: adminToken })
    await put(other, 'elsewhere')
    expectStatus(await create(domain.origin, 100, { send }), 201)
    expect(await dailyOf(domain, 3)).toEqual([[2, 14], nothing, [1, 5]])
    expect(await dailyOf(domain, 4)).toEqual([[1, 4], [2, 14], nothing, [1, 5]])
    expect(await dailyOf(domain, 1)).toEqual([[1, 5]])
  })

  test('is forgotten some time after nobody can ask for it any more', async () => {
    const domain = await makeDomain()
    for (const days of [89, 92, 93]) {
      const day = new Date(Date.now() - days * 24 * 3600 * 1000).toISOString().slice(0, 10)
      await execute('INSERT INTO domain_days VALUES (?, ?, 1, 2)', domain.id, day)
    }
    const deps = depsWith()
    await reconcile({ ...deps, ...deps.places[0]! })
    expect(await allRows('SELECT uploads, bytes FROM domain_days WHERE domain_id = ?', domain.id)).toHaveLength(2)
    const days = await dailyOf(domain, 90)
    expect(days).toEqual([[1, 2], ...Array(89).fill(nothing)])
  })

  test('goes from one day to the next in order, today last', async () => {
    const domain = await makeDomain()
    const { json } = await call('GET', `http://localhost/v1/domains/${domain.slug}/usage/daily`, { key: adminToken })
    const dates = json.days.map(({ date }: { date: string }) => date)
    expect(dates).toHaveLength(30)
    expect(dates).toEqual(dates.toSorted())
    expect(Date.parse(dates.at(-1)) - Date.parse(dates[0])).toBe(29 * 24 * 3600 * 1000)
  })
})
