import { env } from 'cloudflare:workers'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { noise } from '../support/e2e/bodies.ts'
import { eventually } from '../support/e2e/eventually.ts'
import {
  adminToken,
  allRows,
  call,
  execute,
  expectProblem,
  expectStatus,
  field,
  file,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  makeKey,
  nothingHeld,
  postForm,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, faultyD1, HeldQueue } from '../support/workers/faults.ts'
import * as samples from '../support/workers/samples.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

const large = noise(6 * 1024 * 1024)
const withKey = (key: string, more: Record<string, string> = {}) => ({ headers: { 'idempotency-key': key, ...more } })
const put = (domain: TestDomain, key: string, body: Uint8Array | string, name = 'a.txt') =>
  putFile(domain.origin, name, body, withKey(key))

describe('a repeat', () => {
  test('is one only of a request from the same network, where nobody has a credential', async () => {
    const domain = await makeDomain()
    const from = (address: string, body: string) =>
      putFile(domain.origin, 'a.txt', body, withKey('1', { 'cf-connecting-ip': address }))
    const first = await from('192.0.2.1', 'abc')
    expectProblem(await from('192.0.2.1', 'other'), 422, 'idempotency-mismatch')
    const stranger = await from('192.0.2.2', 'abc')
    expectStatus(stranger, 202)
    expect(stranger.json.id).not.toBe(first.json.id)
    expectStatus(await from('2001:db8::1', 'other'), 202)
  })

  test('of a raw upload, small or large, gets the first answer and stores nothing', async () => {
    for (const body of ['abc', large]) {
      const domain = await makeDomain()
      const first = await put(domain, 'once', body)
      expectStatus(first, 202)
      for (let again = 0; again < 3; again++) {
        const repeat = await put(domain, 'once', body)
        expectStatus(repeat, 202)
        expect(repeat.json).toEqual(first.json)
        expect(repeat.headers.get('location')).toBe(first.headers.get('location'))
      }
      expect(await holdings(domain)).toEqual(heldExactly(body.length))
    }
  })

  test('of a form gets each outcome in its order, whatever its boundary and its unread fields', async () => {
    const domain = await makeDomain()
    const parts = [
      file('a.txt', 'abc'),
      file('b.png', samples.html, 'image/png'),
      field('metadata', '{"a":"1","b":"2"}'),
    ]
    const first = await postForm(domain.origin, parts, withKey('form'))
    expectStatus(first, 207)
    const others = [
      field('unread', 'x'),
      file('a.txt', 'abc'),
      file('b.png', samples.html, 'image/png'),
      field('metadata', '{"b":"2","a":"1"}'),
    ]
    const repeat = await postForm(domain.origin, others, withKey('form'))
    expectStatus(repeat, 207)
    expect(repeat.json.results[0]).toEqual(first.json.results[0])
    expect(repeat.json.results[1].problem.code).toBe('type-contradicted')
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })

  test('with anything else in it is refused, and the first answer stays', async () => {
    const domain = await makeDomain()
    const first = await put(domain, 'k', 'abc')
    for (const [body, name] of [
      ['abd', 'a.txt'],
      ['abcd', 'a.txt'],
      ['abc', 'b.txt'],
      ['', 'a.txt'],
    ] as const) {
      expectProblem(await put(domain, 'k', body, name), 422, 'idempotency-mismatch')
    }
    const form = [file('a.txt', 'abc')]
    expectProblem(await postForm(domain.origin, form, withKey('k')), 422, 'idempotency-mismatch')
    expect((await put(domain, 'k', 'abc')).json).toEqual(first.json)
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })

  test('of a form differs by field, filename, type, order and metadata', async () => {
    const domain = await makeDomain()
    const one = file('a.txt', 'abc', 'text/plain')
    const two = file('b.txt', 'def', 'text/plain')
    expectStatus(await postForm(domain.origin, [one, two, field('metadata', '{"a":"1"}')], withKey('k')), 202)
    for (const parts of [
      [two, one, field('metadata', '{"a":"1"}')],
      [one, two, field('metadata', '{"a":"2"}')],
      [one, two],
      [one, field('metadata', '{"a":"1"}')],
      [{ ...one, name: 'other' }, two, field('metadata', '{"a":"1"}')],
      [file('a.txt', 'abc', 'text/csv'), two, field('metadata', '{"a":"1"}')],
    ]) {
      expectProblem(await postForm(domain.origin, parts, withKey('k')), 422, 'idempotency-mismatch')
    }
    expect(await holdings(domain)).toEqual(heldExactly(3, 3))
  })

  test('on the apex host is known by the domain that the form names', async () => {
    const domain = await makeDomain()
    const send = () => postForm('http://localhost', [field('domain', domain.slug), file('a', 'abc')], withKey('k'))
    const first = await send()
    expectStatus(first, 202)
    expect((await send()).json).toEqual(first.json)
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })

  test('while the first still runs is told to come back', async () => {
    const domain = await makeDomain()
    const slow = new TransformStream<Uint8Array, Uint8Array>()
    const writer = slow.writable.getWriter()
    const first = call('PUT', `${domain.origin}/v1/uploads/a`, { ...withKey('k'), body: slow.readable })
    const abc = new TextEncoder().encode('abc')
    await writer.write(abc)
    const held = 'SELECT holder FROM idempotency_keys WHERE domain_id = ?'
    await eventually(async () => expect(await allRows(held, domain.id)).toHaveLength(1))
    const early = await put(domain, 'k', 'abc', 'a')
    expectProblem(early, 409, 'idempotency-in-progress')
    expect(Number(early.headers.get('retry-after'))).toBeGreaterThan(0)
    await writer.close()
    const answer = await first
    expectStatus(answer, 202)
    // As bytes: a string would be sent with a type of its own, and be another request.
    expect((await put(domain, 'k', abc, 'a')).json).toEqual(answer.json)
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })

  test('at the same time as the first stores one file', async () => {
    const domain = await makeDomain()
    const answers = await Promise.all(Array.from({ length: 8 }, () => put(domain, 'k', 'abc')))
    const ids = new Set(answers.filter(({ status }) => status === 202).map(({ json }) => json.id))
    expect(ids.size).toBe(1)
    for (const answer of answers) if (answer.status !== 202) expectProblem(answer, 409, 'idempotency-in-progress')
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })
})

describe('a key is free again', () => {
  test('after a refusal', async () => {
    const domain = await makeDomain({ allowedTypes: ['text/plain'] })
    expectProblem(await put(domain, 'k', samples.pdf), 415, 'type-not-allowed')
    expectProblem(await postForm(domain.origin, [field('a', 'b')], withKey('k')), 400, 'no-file')
    expectStatus(await put(domain, 'k', 'abc'), 202)
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })

  test('after a storage failure', async () => {
    const domain = await makeDomain()
    const bucket = new Proxy(env.BUCKET, {
      get: (target, name) =>
        name === 'put' ? () => Promise.reject(new Error('R2 is away')) : Reflect.get(target, name).bind?.(target),
    })
    const broken = appWith({ env: { BUCKET: bucket }, deps: () => ({ queue: new HeldQueue() }) })
    expectProblem(await putFile(domain.origin, 'a.txt', 'abc', { ...withKey('k'), send: broken }), 503, 'unavailable')
    expect(await holdings(domain)).toEqual(nothingHeld)
    expectStatus(await put(domain, 'k', 'abc'), 202)
  })

  test('when the request that held it has died', async () => {
    const domain = await makeDomain()
    await execute(
      `INSERT INTO idempotency_keys (domain_id, client, key, holder, lease_expires_at, created_at) VALUES (?, 'anonymous:', 'k', 'dead', ?, ?)`,
      domain.id,
      Date.now() - 1,
      Date.now() - 60_001,
    )
    expectStatus(await put(domain, 'k', 'abc'), 202)
    expect(await holdings(domain)).toEqual(heldExactly(3))
  })

  test('after 24 hours', async () => {
    const domain = await makeDomain()
    const first = await put(domain, 'k', 'abc')
    await execute(
      'UPDATE idempotency_keys SET created_at = ? WHERE domain_id = ?',
      Date.now() - 24 * 3600 * 1000,
      domain.id,
    )
    const second = await put(domain, 'k', 'other')
    expectStatus(second, 202)
    expect(second.json.id).not.toBe(first.json.id)
  })
})

test('a request that has lost its key to another does not commit', async () => {
  const domain = await makeDomain()
  const taken = faultyD1(env.DB, async (sql) => {
    if (sql.includes('stored_files +')) {
      await env.DB.prepare(`UPDATE idempotency_keys SET holder = 'another' WHERE domain_id = ?`).bind(domain.id).run()
    }
    return undefined
  })
  const late = appWith({ env: { DB: taken }, deps: () => ({ queue: new HeldQueue() }) })
  const answer = await putFile(domain.origin, 'a.txt', 'abc', { ...withKey('k'), send: late })
  expectProblem(answer, 409, 'idempotency-in-progress')
  expect(await holdings(domain)).toEqual(nothingHeld)
})

test('a commit whose answer was lost is answered from its rows, and so are its repeats', async () => {
  const domain = await makeDomain()
  const lossy = faultyD1(env.DB, (sql) => (sql.includes('stored_files +') ? 'after' : undefined))
  const send = appWith({ env: { DB: lossy } })
  const first = await putFile(domain.origin, 'a.txt', 'abc', { ...withKey('k'), send })
  expectStatus(first, 202)
  expect((await put(domain, 'k', 'abc')).json).toEqual(first.json)
  expect(await holdings(domain)).toEqual(heldExactly(3))
})

test('two domains and two clients never share a key', async () => {
  const [one, two] = [await makeDomain(), await makeDomain()]
  const { key } = await makeKey(one, ['upload'])
  const ids = [
    await put(one, 'k', 'abc'),
    await put(two, 'k', 'abc'),
    await putFile(one.origin, 'a.txt', 'abc', { ...withKey('k'), key }),
    await putFile(one.origin, 'a.txt', 'abc', { ...withKey('k'), key: adminToken }),
  ].map((answer) => answer.json.id)
  expect(new Set(ids).size).toBe(4)
})

test('a key that is none is refused before anything is stored', async () => {
  const domain = await makeDomain()
  for (const key of ['x'.repeat(256), 'two words']) {
    expectProblem(await put(domain, key, 'abc'), 400, 'idempotency-key-invalid')
  }
  expect(await holdings(domain)).toEqual(nothingHeld)
})
