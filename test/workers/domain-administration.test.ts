import { env } from 'cloudflare:workers'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Domain } from '../../src/core/domain.ts'
import { TimedCache } from '../../src/core/timed-cache.ts'
import { type ApiKey, forgetRevokedKeys } from '../../src/db/api-keys.ts'
import { DomainDirectory } from '../../src/services/domain-directory.ts'
import { reconcile } from '../../src/services/reconcile/reconcile.ts'
import { administer, apex } from '../support/workers/administration.ts'
import {
  type Answer,
  adminToken,
  allRows,
  call,
  execute,
  expectProblem,
  expectStatus,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  makeKey,
  nothingHeld,
  putFile,
  type Send,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, depsWith, faultyD1, HeldQueue } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

const asAdmin = { key: adminToken }

/** An isolate with caches and a clock of its own. */
function anotherIsolate(): { send: Send; wait(ms: number): void } {
  let now = Date.now()
  const keyCache = new TimedCache<ApiKey>(30_000)
  const cache = new TimedCache<Domain>(30_000)
  const send = appWith({
    deps: (deps) => ({
      keyCache,
      now: () => now,
      directory: new DomainDirectory({ ...deps, cache, now: () => now }),
    }),
  })
  return {
    send,
    wait: (ms) => {
      now += ms
    },
  }
}

describe('who administers', () => {
  let domain: TestDomain
  let other: TestDomain
  let manager: string
  let uploader: string
  beforeAll(async () => {
    domain = await makeDomain()
    other = await makeDomain()
    manager = (await makeKey(domain, ['manage'])).key
    uploader = (await makeKey(domain, ['upload', 'read', 'delete'])).key
  })

  /** Every call on one domain, and whether its own manager may make it. */
  const calls: [method: string, path: string, body: unknown, isManagers: boolean][] = [
    ['GET', '', undefined, true],
    ['PATCH', '', { policy: {} }, true],
    ['PATCH', '', { suspended: false }, false],
    ['DELETE', '', undefined, false],
    ['POST', '/restore', undefined, false],
    ['GET', '/keys', undefined, true],
    ['POST', '/keys', { scopes: ['read'] }, true],
    ['DELETE', `/keys/${uuidv7()}`, undefined, true],
    ['POST', '/hostnames', { hostname: 'who.example' }, true],
    ['DELETE', '/hostnames/who-not.example', undefined, true],
    ['POST', '/hostnames/who-not.example/verify', undefined, true],
  ]

  test.each(calls)('%s %s %j', async (method, path, body, isManagers) => {
    const of = (target: { slug: string }, key?: string) => administer(target, method, path, body, { key })
    expectProblem(await of(domain), 401, 'credential-required')
    expectProblem(await of(domain, `${manager}x`), 401, 'credential-invalid')
    expectProblem(await of(domain, uploader), 403, 'forbidden')
    const answer = await of(domain, manager)
    if (isManagers) expect([200, 201, 404]).toContain(answer.status)
    else expectProblem(answer, 403, 'forbidden')
    // Of another domain nobody learns whether it exists.
    const told = await Promise.all(
      [other, { slug: 'no-such' }, { slug: 'NO SUCH' }].map(async (target) => {
        const { requestId: _, ...problem } = expectProblem(await of(target, manager), 403, 'forbidden')
        return problem
      }),
    )
    expect(told).toEqual([told[0], told[0], told[0]])
    // On a domain's own host there is no administration.
    const { slug } = domain
    const elsewhere = await call(method, `${domain.origin}/v1/domains/${slug}${path}`, { key: manager })
    expectProblem(elsewhere, 404, 'route-not-found')
  })

  test('a list of domains is the administrator’s', async () => {
    for (const key of [manager, uploader]) {
      expectProblem(await call('GET', `${apex}/v1/domains`, { key }), 403, 'forbidden')
    }
    expectProblem(await call('GET', `${apex}/v1/domains`), 401, 'credential-required')
  })
})

describe('a list of domains', () => {
  test('goes by the slugs, page after page, and shows the deleted only when asked', async () => {
    const made = await Promise.all(Array.from({ length: 5 }, () => makeDomain()))
    const [gone] = made
    expectStatus(await administer(gone!, 'DELETE'), 204)
    const read = async (query: string) => {
      const slugs: string[] = []
      for (let cursor = ''; ; ) {
        const answer = await call('GET', `${apex}/v1/domains?limit=2${query}${cursor}`, asAdmin)
        expectStatus(answer, 200)
        expect(answer.json.domains.length).toBeLessThanOrEqual(2)
        slugs.push(...answer.json.domains.map((domain: { slug: string }) => domain.slug))
        if (answer.json.nextCursor === null) return slugs
        cursor = `&cursor=${answer.json.nextCursor}`
      }
    }
    const all = await allRows<{ slug: string }>('SELECT slug FROM domains ORDER BY slug')
    expect(await read('')).toEqual(all.map(({ slug }) => slug).filter((slug) => slug !== gone!.slug))
    expect(await read('&deleted=true')).toEqual([gone!.slug])
  })

  test.each(['', 'x', btoa('NO SUCH'), '\0'])('refuses the cursor %j', async (cursor) => {
    const answer = await call('GET', `${apex}/v1/domains?cursor=${encodeURIComponent(cursor)}`, asAdmin)
    expectProblem(answer, 400, 'request-invalid')
  })
})

describe('a policy of two layers', () => {
  const change = (domain: TestDomain, policy: object, key?: string) =>
    administer(domain, 'PATCH', '', { policy }, key === undefined ? {} : { key })

  test('fields that are not given stay, and who sends decides the layer', async () => {
    const domain = await makeDomain({ maxFileBytes: 1000, allowedTypes: ['text/*', 'image/*'] })
    const { key } = await makeKey(domain, ['manage'])
    const narrowed = await change(domain, { maxFileBytes: 100, allowedOrigins: ['https://app.example'] }, key)
    expectStatus(narrowed, 200)
    expect(narrowed.json).toMatchObject({
      policy: { maxFileBytes: 100, allowedTypes: ['text/*', 'image/*'], allowedOrigins: ['https://app.example'] },
      administratorPolicy: { maxFileBytes: 1000, allowedOrigins: [] },
    })
    expectStatus(await change(domain, { retentionDays: 5 }, key), 200)
    const wider = await change(domain, { maxFileBytes: 5000, quotaFiles: 7 })
    expect(wider.json).toMatchObject({
      policy: { maxFileBytes: 100, quotaFiles: 7, retentionDays: 5, anonymousUpload: true },
      administratorPolicy: { maxFileBytes: 5000, quotaFiles: 7, retentionDays: null },
    })
    // The administrator's narrower holds by itself, and the manager's own is there again when it is lifted.
    expect((await change(domain, { maxFileBytes: 50 })).json.policy.maxFileBytes).toBe(50)
    expect((await change(domain, { maxFileBytes: 500 })).json.policy.maxFileBytes).toBe(100)
    expect((await administer(domain, 'GET', '', undefined, { key })).json).toEqual(
      (await administer(domain, 'GET')).json,
    )
  })

  test('shows what the manager has set, and either of them can drop it', async () => {
    const domain = await makeDomain({ maxFileBytes: 1000 })
    const { key } = await makeKey(domain, ['manage'])
    const drop = (as: string, policy?: object) =>
      administer(domain, 'PATCH', '', { managerPolicy: null, policy }, { key: as })
    expect((await administer(domain, 'GET')).json.managerPolicy).toEqual({})
    for (const as of [key, adminToken]) {
      const own = { maxFileBytes: 100, allowedTypes: ['text/*'] }
      expect((await change(domain, own, key)).json.managerPolicy).toEqual(own)
      expect((await administer(domain, 'GET')).json.managerPolicy).toEqual(own)
      const dropped = await drop(as)
      expectStatus(dropped, 200)
      expect(dropped.json.managerPolicy).toEqual({})
      expect(dropped.json.policy).toEqual(dropped.json.administratorPolicy)
    }
    await change(domain, { maxFileBytes: 100 }, key)
    expect((await drop(key, { retentionDays: 3 })).json).toMatchObject({
      policy: { maxFileBytes: 1000, retentionDays: 3 },
      managerPolicy: { retentionDays: 3 },
    })
    expect((await drop(adminToken, { maxFileBytes: 500 })).json).toMatchObject({
      policy: { maxFileBytes: 500, retentionDays: null },
      administratorPolicy: { maxFileBytes: 500 },
      managerPolicy: {},
    })
    const other = await administer(domain, 'PATCH', '', { managerPolicy: { maxFileBytes: 1 } })
    expectProblem(other, 400, 'request-invalid')
  })

  test('holds for uploads, in this isolate at once', async () => {
    const domain = await makeDomain({ maxFileBytes: 1000 })
    const { key } = await makeKey(domain, ['manage'])
    expectStatus(await putFile(domain.origin, 'a', 'x'.repeat(100)), 202)
    expectStatus(await change(domain, { maxFileBytes: 99 }, key), 200)
    expectProblem(await putFile(domain.origin, 'a', 'x'.repeat(100)), 413, 'file-too-large')
    expectStatus(await change(domain, { quotaFiles: 1 }), 200)
    expectProblem(await putFile(domain.origin, 'a', 'x'), 413, 'quota-exceeded')
  })

  test('what is wider is refused, with the field and the administrator’s value, and nothing is kept', async () => {
    const domain = await makeDomain({ maxFileBytes: 1000, anonymousUpload: false, publicRead: false })
    const { key } = await makeKey(domain, ['manage'])
    const before = (await administer(domain, 'GET')).json
    const problem = expectProblem(
      await change(domain, { maxFileBytes: 2000, publicRead: true, quotaBytes: 1, retentionDays: 3 }, key),
      422,
      'policy-too-wide',
    )
    expect(problem.problems.map(({ at, limit, value }: Record<string, unknown>) => [at, limit, value])).toEqual([
      ['json.policy.maxFileBytes', 1000, 2000],
      ['json.policy.quotaBytes', null, 1],
      ['json.policy.publicRead', false, true],
    ])
    expect((await administer(domain, 'GET')).json).toEqual(before)
  })

  test.each([
    ['an unknown field', { policy: { maxBytes: 1 } }],
    ['a negative limit', { policy: { maxFileBytes: -1 } }],
    ['an unknown member', { jurisdiction: 'eu' }],
    ['a slug', { slug: 'other' }],
  ])('with %s is 400', async (_name, body) => {
    expectProblem(await administer(await makeDomain(), 'PATCH', '', body), 400, 'request-invalid')
  })

  test('changes at the same time are all kept', async () => {
    const domain = await makeDomain()
    const { key } = await makeKey(domain, ['manage'])
    const answers = await Promise.all([
      change(domain, { quotaFiles: 11 }),
      change(domain, { quotaBytes: 12 }),
      change(domain, { maxFilesPerRequest: 13 }, key),
      change(domain, { retentionDays: 14 }, key),
    ])
    for (const answer of answers) expectStatus(answer, 200)
    expect((await administer(domain, 'GET')).json.policy).toMatchObject({
      quotaFiles: 11,
      quotaBytes: 12,
      maxFilesPerRequest: 13,
      retentionDays: 14,
    })
  })

  test('a change that others always get ahead of is given up', async () => {
    const domain = await makeDomain()
    const ahead = faultyD1(env.DB, async (sql) => {
      if (!sql.startsWith('update "domain_accounts"')) return undefined
      await execute('UPDATE domain_policies SET version = version + 1 WHERE domain_id = ?', domain.id)
      return undefined
    })
    const answer = await administer(domain, 'PATCH', '', { suspended: true }, { send: appWith({ env: { DB: ahead } }) })
    expectProblem(answer, 503, 'busy')
    expect((await administer(domain, 'GET')).json.suspendedAt).toBeNull()
  })

  test('shows in another isolate within 30 seconds', async () => {
    const domain = await makeDomain({ maxFileBytes: 1000 })
    const { send, wait } = anotherIsolate()
    const put = () => putFile(domain.origin, 'a', 'x'.repeat(100), { send })
    expectStatus(await put(), 202)
    expectStatus(await change(domain, { maxFileBytes: 10 }), 200)
    wait(29_999)
    expectStatus(await put(), 202)
    wait(1)
    expectProblem(await put(), 413, 'file-too-large')
  })
})

describe('suspension', () => {
  const suspend = (domain: TestDomain, suspended: boolean) => administer(domain, 'PATCH', '', { suspended })

  test('stops commits everywhere at once, and reading nowhere', async () => {
    const domain = await makeDomain()
    const { send } = anotherIsolate()
    const first = await putFile(domain.origin, 'a', 'abc', { send })
    expectStatus(first, 202)
    const suspended = await suspend(domain, true)
    expectStatus(suspended, 200)
    expect(suspended.json.suspendedAt).toEqual(expect.any(String))
    expectProblem(await putFile(domain.origin, 'a', 'abc', { send }), 403, 'domain-suspended')
    expectProblem(await putFile(domain.origin, 'a', 'abc'), 403, 'domain-suspended')
    expectStatus(await call('GET', `${domain.origin}/v1/uploads/${first.json.id}`), 200)
    expect(await holdings(domain)).toEqual(heldExactly(3))
    // Again says the same, and keeps the time.
    expect((await suspend(domain, true)).json.suspendedAt).toBe(suspended.json.suspendedAt)
    expect((await suspend(domain, false)).json.suspendedAt).toBeNull()
    expectStatus(await putFile(domain.origin, 'a', 'abc'), 202)
  })

  test('is not for the manager to end', async () => {
    const domain = await makeDomain()
    const { key } = await makeKey(domain, ['manage'])
    await suspend(domain, true)
    const answer = await administer(domain, 'PATCH', '', { suspended: false, policy: { maxFileBytes: 1 } }, { key })
    expectProblem(answer, 403, 'forbidden')
    expect((await administer(domain, 'GET')).json.suspendedAt).not.toBeNull()
  })
})

describe('keys', () => {
  const list = (domain: TestDomain, query = '') => administer(domain, 'GET', `/keys${query}`)
  const idsOf = (answer: Answer): string[] => answer.json.keys.map((key: { id: string }) => key.id)

  test('are listed without what they are, page after page, the revoked left out', async () => {
    const domain = await makeDomain()
    const other = await makeDomain()
    const foreign = await makeKey(other, ['read'])
    const made = []
    for (let count = 0; count < 3; count++) made.push(await makeKey(domain, ['read']))
    const revoked = await makeKey(domain, ['read'])
    expectStatus(await administer(domain, 'DELETE', `/keys/${revoked.id}`), 204)
    const first = await list(domain, '?limit=2')
    const second = await list(domain, `?limit=2&cursor=${first.json.nextCursor}`)
    expect([...idsOf(first), ...idsOf(second)]).toEqual(made.map(({ id }) => id))
    expect(second.json.nextCursor).toBeNull()
    for (const { key } of [...made, foreign]) expect(first.text + second.text).not.toContain(key.slice(4))
    expect(first.json.keys[0]).toEqual({
      id: made[0]!.id,
      label: 'test',
      scopes: ['read'],
      createdAt: expect.any(String),
      expiresAt: null,
      lastUsedAt: null,
    })
    expectProblem(await list(domain, '?cursor=x'), 400, 'request-invalid')
  })

  test('a manager makes and revokes keys of his domain alone', async () => {
    const domain = await makeDomain({ anonymousUpload: false })
    const other = await makeDomain()
    const { key } = await makeKey(domain, ['manage'])
    const made = await administer(domain, 'POST', '/keys', { scopes: ['upload'] }, { key })
    expectStatus(made, 201)
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key: made.json.key }), 202)
    const foreign = await makeKey(other, ['read'])
    expectProblem(await administer(domain, 'DELETE', `/keys/${foreign.id}`, undefined, { key }), 404, 'key-not-found')
    expectStatus(await administer(domain, 'DELETE', `/keys/${made.json.id}`, undefined, { key }), 204)
    // The isolate that revoked it knows at once.
    expectProblem(await call('GET', `${domain.origin}/v1/uploads`, { key: made.json.key }), 401, 'credential-invalid')
  })

  test('a revoked one is no good in another isolate after 30 seconds, and for a commit at once', async () => {
    const domain = await makeDomain({ anonymousUpload: false })
    const { id, key } = await makeKey(domain, ['upload', 'read'])
    const { send, wait } = anotherIsolate()
    const read = () => call('GET', `${domain.origin}/v1/uploads`, { key, send })
    expectStatus(await read(), 200)
    expectStatus(await administer(domain, 'DELETE', `/keys/${id}`), 204)
    expectStatus(await read(), 200)
    expectProblem(await putFile(domain.origin, 'a', 'abc', { key, send }), 401, 'credential-invalid')
    wait(30_000)
    expectProblem(await read(), 401, 'credential-invalid')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('are forgotten a day after they were revoked, and are then as revoked as before', async () => {
    const domain = await makeDomain({ anonymousUpload: false })
    const [kept, ...revoked] = await Promise.all([1, 2, 3].map(() => makeKey(domain, ['upload'])))
    const { send } = anotherIsolate()
    const { key } = revoked[0]!
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key, send }), 202)
    const revokedAt = Date.now()
    await execute('UPDATE api_keys SET revoked_at = ? WHERE id IN (?, ?)', revokedAt, ...revoked.map(({ id }) => id))
    const sweepAfter = async (ms: number) => {
      const deps = depsWith({ deps: () => ({ now: () => revokedAt + ms, queue: new HeldQueue(), log: () => {} }) })
      for (const place of deps.places) await reconcile({ ...deps, ...place })
    }
    const left = () => allRows<{ id: string }>('SELECT id FROM api_keys WHERE domain_id = ?', domain.id)
    const dayMs = 24 * 3600_000
    await sweepAfter(dayMs)
    expect(await left()).toHaveLength(3)
    const [place] = depsWith().places
    await forgetRevokedKeys(place!.db, revokedAt + 1, 1)
    expect(await left()).toHaveLength(2)
    await sweepAfter(dayMs + 1)
    expect(await left()).toEqual([{ id: kept!.id }])
    // This isolate has not heard of it.
    expectProblem(await putFile(domain.origin, 'a', 'abc', { key, send }), 401, 'credential-invalid')
  })

  test('one that expires while its upload runs is refused by the commit', async () => {
    const domain = await makeDomain({ anonymousUpload: false })
    const { id, key } = await makeKey(domain, ['upload'])
    const { send } = anotherIsolate()
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key, send }), 202)
    await execute('UPDATE api_keys SET expires_at = ? WHERE id = ?', Date.now() + 3600_000, id)
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key, send }), 202)
    // This isolate still thinks that it never expires.
    await execute('UPDATE api_keys SET expires_at = ? WHERE id = ?', Date.now() - 1, id)
    expectProblem(await putFile(domain.origin, 'a', 'abc', { key, send }), 401, 'credential-invalid')
    expect(await holdings(domain)).toEqual(heldExactly(3, 3))
  })

  test('are marked as used, once in five minutes, and only when they are read again', async () => {
    const domain = await makeDomain()
    const { id, key } = await makeKey(domain, ['read'])
    const written: string[] = []
    const DB = faultyD1(env.DB, (sql) => {
      if (sql.startsWith('update "api_keys"')) written.push(sql)
      return undefined
    })
    let now = Date.now()
    const keyCache = new TimedCache<ApiKey>(30_000)
    const send = appWith({ env: { DB }, deps: () => ({ keyCache, now: () => now }) })
    const use = async () => {
      expectStatus(await call('GET', `${domain.origin}/v1/uploads`, { key, send }), 200)
      const shown = await list(domain)
      expect(idsOf(shown)).toEqual([id])
      return shown.json.keys[0].lastUsedAt
    }
    const first = new Date(now).toISOString()
    expect(await use()).toBe(first)
    now += 31_000
    expect(await use()).toBe(first)
    now += 5 * 60_000
    const second = new Date(now).toISOString()
    expect(await use()).toBe(second)
    // Known to this isolate, it costs nothing.
    now += 29_000
    expect(await use()).toBe(second)
    expect(written).toHaveLength(2)
  })

  test('cost a warm upload nothing: it is one round trip to the database', async () => {
    const domain = await makeDomain({ anonymousUpload: false })
    const { key } = await makeKey(domain, ['upload'])
    const asked: string[] = []
    const send = appWith({ env: { DB: faultyD1(env.DB, (sql) => void asked.push(sql)) } })
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key, send }), 202)
    asked.length = 0
    expectStatus(await putFile(domain.origin, 'a', 'abc', { key, send }), 202)
    expect(asked).toEqual([expect.stringContaining('stored_files +')])
  })

  test('one that is not marked as used works all the same', async () => {
    const domain = await makeDomain()
    const { key } = await makeKey(domain, ['read'])
    const DB = faultyD1(env.DB, (sql) => (sql.startsWith('update "api_keys"') ? 'before' : undefined))
    expectStatus(await call('GET', `${domain.origin}/v1/uploads`, { key, send: appWith({ env: { DB } }) }), 200)
    const expired = await makeKey(domain, ['read'], '2020-01-01T00:00:00Z')
    expectProblem(await call('GET', `${domain.origin}/v1/uploads`, { key: expired.key }), 401, 'credential-invalid')
    expect((await list(domain)).json.keys.map((key: { lastUsedAt: null }) => key.lastUsedAt)).toEqual([null, null])
  })
})
