import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import { writeCursor } from '../../src/core/cursor.ts'
import { maxWatchersPerClient } from '../../src/core/watch.ts'
import { maxReplayedEvents } from '../../src/services/events/follow-domain.ts'
import { eventually } from '../support/e2e/eventually.ts'
import {
  adminToken,
  allRows,
  call,
  execute,
  expectProblem,
  expectStatus,
  makeDomain,
  makeKey,
  type TestDomain,
} from '../support/workers/client.ts'
import { follow } from '../support/workers/event-streams.ts'
import { overriding } from '../support/workers/faults.ts'
import { makeFile, moveSilently, send, sendWithChange, work } from '../support/workers/moving-files.ts'

vi.setConfig({ testTimeout: 30_000 })

const asAdmin = { key: adminToken, send }
const numbers = (events: { data: { number: number } }[]) => events.map(({ data }) => data.number)
const watchObject = (domain: TestDomain) => env.WATCHERS.getByName(domain.id)

/** Ends a domain's object at whatever line it is; the next call finds a new one. */
async function restart(domain: TestDomain): Promise<void> {
  const reason = 'restarted by a test'
  const ended = runInDurableObject(watchObject(domain), (_instance, state) => state.abort(reason))
  await expect(ended).rejects.toThrow(reason)
}

describe('the stream of one upload', () => {
  test('begins with its first event, goes on live, and ends with it', async () => {
    const file = await makeFile(await makeDomain())
    const stream = await follow(`${file.url}/events`, { send })
    expect(stream.status).toBe(200)
    expect(Object.fromEntries(stream.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    await stream.until(1)
    await work()
    await stream.ended
    expect(stream.text()).toMatch(/^retry: \d{4}\n\n/)
    const statuses = ['pending', 'processing', 'complete']
    expect(stream.events()).toEqual(
      statuses.map((status, index) => ({
        id: expect.stringMatching(/^\w+$/),
        data: {
          id: file.id,
          number: index + 1,
          type: `upload.${status}`,
          status,
          generation: 1,
          failure: null,
          at: expect.stringMatching(/^\d{4}-.*Z$/),
        },
      })),
    )
  })

  test('of a finished one is what was missed, and 204 when that is nothing', async () => {
    const file = await makeFile(await makeDomain())
    await work()
    const whole = await follow(`${file.url}/events`, { send })
    await whole.ended
    const [first, , last] = whole.events()
    const rest = await follow(`${file.url}/events`, { send, headers: { 'last-event-id': first!.id! } })
    await rest.ended
    expect(rest.events()).toEqual(whole.events().slice(1))
    const queried = await follow(`${file.url}/events?last_event_id=${first!.id}`, { send })
    await queried.ended
    expect(queried.events()).toEqual(rest.events())
    const nothing = await call('GET', `${file.url}/events`, { send, headers: { 'last-event-id': last!.id! } })
    expect({ status: nothing.status, text: nothing.text }).toEqual({ status: 204, text: '' })
  })

  test('ends as it should when the upload does just before it is watched', async () => {
    const file = await makeFile(await makeDomain())
    const first = await follow(`${file.url}/events`, { send })
    const [event] = await first.until(1)
    await first.leave()
    const headers = { 'last-event-id': event!.id! }
    const stream = await follow(`${file.url}/events`, { send: sendWithChange(work), headers })
    await stream.ended
    expect(numbers(stream.events())).toEqual([2, 3])
  })

  test('goes on where a reprocessed one begins again', async () => {
    const file = await makeFile(await makeDomain())
    await work()
    const before = await follow(`${file.url}/events`, { send })
    await before.ended
    expectStatus(await call('POST', `${file.url}/reprocess`, asAdmin), 202)
    const again = await follow(`${file.url}/events`, { send, headers: { 'last-event-id': before.events()[2]!.id! } })
    await again.until(1)
    await work()
    await again.ended
    expect(numbers(again.events())).toEqual([4, 5, 6])
  })

  test('ends when the upload is deleted, and is gone then', async () => {
    const file = await makeFile(await makeDomain())
    const stream = await follow(`${file.url}/events`, { send })
    await stream.until(1)
    expectStatus(await call('DELETE', file.url, asAdmin), 204)
    await stream.ended
    const last = stream.events().at(-1)!
    expect(last.data).toMatchObject({ number: 2, type: 'upload.deleted' })
    const back = await call('GET', `${file.url}/events`, { send, headers: { 'last-event-id': last.id! } })
    expectProblem(back, 410, 'upload-deleted')
  })

  test('sees what it was not told of by the next look', async () => {
    const file = await makeFile(await makeDomain())
    const stream = await follow(`${file.url}/events`, { send })
    await stream.until(1)
    await moveSilently(file.id, 'complete')
    await stream.ended
    expect(numbers(stream.events())).toEqual([1, 2])
  })

  test('shows how far the upload is, without an id', async () => {
    const domain = await makeDomain()
    const file = await makeFile(domain)
    const [one, all] = [
      await follow(`${file.url}/events`, { send }),
      await follow(`${domain.origin}/v1/events`, asAdmin),
    ]
    const other = await follow(`${(await makeFile(domain)).url}/events`, { send })
    await other.until(1)
    await one.until(1)
    await watchObject(domain).progress({ fileId: file.id, step: 'inspect', progress: 0.5 })
    const told = { event: 'progress', data: { id: file.id, step: 'inspect', progress: 0.5 } }
    expect((await one.until(2))[1]).toEqual(told)
    expect((await all.until(1)).at(-1)).toEqual(told)
    expect(other.events()).toHaveLength(1)
    for (const stream of [one, all, other]) await stream.leave()
  })

  test('is given to HEAD as its head alone, and to no HEAD for what is not there', async () => {
    const domain = await makeDomain()
    const head = await call('HEAD', `${(await makeFile(domain)).url}/events`, { send })
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    expectStatus(await call('HEAD', `${domain.origin}/v1/uploads/nothing/events`, { send }), 404)
    expectStatus(await call('HEAD', `${domain.origin}/v1/events`, asAdmin), 200)
    await runInDurableObject(watchObject(domain), (instance) => expect(instance.watcherCount).toBe(0))
  })
})

describe('the stream of a domain', () => {
  test('has the events of all its files from now on, in their order, and nothing of another domain', async () => {
    const [domain, other] = [await makeDomain(), await makeDomain()]
    const before = await makeFile(domain)
    const stream = await follow(`${domain.origin}/v1/events`, asAdmin)
    await makeFile(other)
    const files = [before, await makeFile(domain), await makeFile(domain)]
    await work()
    const events = await stream.until(8)
    expect(events).toHaveLength(8)
    for (const { id } of files) {
      const own = events.filter(({ data }) => data.id === id)
      expect(numbers(own)).toEqual(id === before.id ? [2, 3] : [1, 2, 3])
    }
    await stream.leave()
  })

  test.each([
    ['status=complete', ['complete', 'complete']],
    ['status=complete,processing', ['processing', 'complete', 'processing', 'complete']],
    ['type=upload.pending', ['pending']],
    ['type=upload.pending&status=complete', []],
  ])('with %s has those alone, live and missed', async (query, expected) => {
    const domain = await makeDomain()
    await makeFile(domain)
    const whole = await follow(`${domain.origin}/v1/events`, asAdmin)
    const live = await follow(`${domain.origin}/v1/events?${query}`, asAdmin)
    await makeFile(domain)
    await work()
    await whole.until(5)
    const since = writeCursor(`${(await seqOfFirst(domain)) ?? 0}/${domain.id}`)
    const missed = await follow(`${domain.origin}/v1/events?${query}&last_event_id=${since}`, asAdmin)
    await live.until(expected.length)
    await missed.until(expected.length)
    const statuses = (stream: typeof live) => stream.events().map(({ data }) => data.status)
    expect(statuses(live).sort()).toEqual([...expected].sort())
    expect(statuses(missed).sort()).toEqual([...expected].sort())
    for (const stream of [whole, live, missed]) await stream.leave()
  })

  test.each(['status=done', 'type=complete', 'status='])('is refused with %s', async (query) => {
    const answer = await call('GET', `${(await makeDomain()).origin}/v1/events?${query}`, asAdmin)
    expectProblem(answer, 400, 'request-invalid')
  })

  test('is replayed from where a client left, however many pages that is', async () => {
    const domain = await makeDomain()
    const file = await makeFile(domain)
    await addEvents(file.id, 1_000)
    const since = writeCursor(`${await seqOfFirst(domain)}/${domain.id}`)
    const stream = await follow(`${domain.origin}/v1/events`, { ...asAdmin, headers: { 'last-event-id': since } })
    const events = await stream.until(1_000)
    expect(numbers(events)).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 2))
    await moveSilently(file.id, 'complete')
    expect((await stream.until(1_001)).at(-1)?.data.number).toBe(1_002)
    await stream.leave()
  })

  test('says so when a client is too far behind, and gives it the newest', async () => {
    const domain = await makeDomain()
    const file = await makeFile(domain)
    await addEvents(file.id, maxReplayedEvents + 10)
    const since = writeCursor(`${await seqOfFirst(domain)}/${domain.id}`)
    const stream = await follow(`${domain.origin}/v1/events`, { ...asAdmin, headers: { 'last-event-id': since } })
    const [reset, ...events] = await stream.until(maxReplayedEvents + 1)
    expect(reset).toEqual({ event: 'reset', data: { reason: 'too-far-behind' } })
    expect(events).toHaveLength(maxReplayedEvents)
    expect(numbers(events).slice(0, 2)).toEqual([12, 13])
    await stream.leave()
  })

  test('says so when what a client knew is forgotten, and gives it what there is', async () => {
    const domain = await makeDomain()
    const file = await makeFile(domain)
    await addEvents(file.id, 5)
    const since = writeCursor(`${await seqOfFirst(domain)}/${domain.id}`)
    await execute('DELETE FROM file_events WHERE file_id = ? AND number < 4', file.id)
    const stream = await follow(`${domain.origin}/v1/events`, { ...asAdmin, headers: { 'last-event-id': since } })
    const [reset, ...events] = await stream.until(4)
    expect(reset).toEqual({ event: 'reset', data: { reason: 'forgotten' } })
    expect(numbers(events)).toEqual([4, 5, 6])
    await stream.leave()
  })

  test('may be read by the pages that may use the domain', async () => {
    const origin = 'https://app.example'
    const domain = await makeDomain({ allowedOrigins: [origin] })
    const stream = await follow(`${domain.origin}/v1/events`, { ...asAdmin, headers: { origin } })
    expect(stream.headers.get('access-control-allow-origin')).toBe(origin)
    await stream.leave()
    const elsewhere = { ...asAdmin, headers: { origin: 'https://elsewhere.example' } }
    expectProblem(await call('GET', `${domain.origin}/v1/events`, elsewhere), 403, 'origin-not-allowed')
  })
})

describe('whoever comes back', () => {
  test.each([
    '0',
    'x',
    '-1',
    '%00',
    'a'.repeat(200),
    btoa('1'),
    btoa('1/nobody'),
    btoa("1' OR 1=1 --/x"),
    writeCursor('1/'),
    writeCursor('NaN/x'),
  ])('with the id %s is refused', async (id) => {
    const domain = await makeDomain()
    const { url } = await makeFile(domain)
    for (const address of [`${url}/events`, `${domain.origin}/v1/events`]) {
      const answer = await call('GET', address, { ...asAdmin, headers: { 'last-event-id': id } })
      expectProblem(answer, 400, 'request-invalid')
    }
  })

  test('with numbers that no event has is refused, or told that something is missing', async () => {
    const domain = await makeDomain()
    for (const seq of ['-1', '1.5', '1e3', '9'.repeat(16), ' 1']) {
      const headers = { 'last-event-id': writeCursor(`${seq}/${domain.id}`) }
      expectProblem(await call('GET', `${domain.origin}/v1/events`, { ...asAdmin, headers }), 400, 'request-invalid')
    }
    for (const seq of ['0', '9'.repeat(15)]) {
      const headers = { 'last-event-id': writeCursor(`${seq}/${domain.id}`) }
      const stream = await follow(`${domain.origin}/v1/events`, { ...asAdmin, headers })
      expect(await stream.until(1)).toEqual([{ event: 'reset', data: { reason: 'forgotten' } }])
      await stream.leave()
    }
  })

  test('with an id of another domain is refused, and sees nothing of it', async () => {
    const [domain, other] = [await makeDomain(), await makeDomain()]
    const theirs = await makeFile(other)
    const stream = await follow(`${theirs.url}/events`, { send })
    const [event] = await stream.until(1)
    await stream.leave()
    const headers = { 'last-event-id': event!.id! }
    expectProblem(await call('GET', `${domain.origin}/v1/events`, { ...asAdmin, headers }), 400, 'request-invalid')
    const own = await makeFile(domain)
    expectProblem(await call('GET', `${own.url}/events`, { send, headers }), 400, 'request-invalid')
    expectProblem(
      await call('GET', `${domain.origin}/v1/uploads/${theirs.id}/events`, { send }),
      404,
      'upload-not-found',
    )
  })

  test('after the object was restarted misses nothing and gets nothing twice', async () => {
    const domain = await makeDomain()
    await makeFile(domain)
    const first = await follow(`${domain.origin}/v1/events`, asAdmin)
    await work()
    await first.until(2)
    await restart(domain)
    await first.ended
    await makeFile(domain)
    const headers = { 'last-event-id': first.events().at(-1)!.id! }
    const second = await follow(`${domain.origin}/v1/events`, { ...asAdmin, headers })
    await work()
    await second.until(3)
    expect([...numbers(first.events()), ...numbers(second.events())]).toEqual([2, 3, 1, 2, 3])
    await second.leave()
  })
})

describe('many who watch', () => {
  /** Has something done before each statement of a domain's object. */
  async function beforeReads(domain: TestDomain, act: () => void): Promise<void> {
    const prepare = (sql: string) => {
      act()
      return env.DB.prepare(sql)
    }
    await runInDurableObject(watchObject(domain), (instance) => {
      Object.assign(instance, { env: { ...env, DB: overriding(env.DB, { prepare }) } })
    })
  }

  /** How often a domain's object asks its database, from here on. */
  async function countReads(domain: TestDomain): Promise<() => number> {
    let reads = 0
    await beforeReads(domain, () => {
      reads++
    })
    return () => reads
  }

  /** How often the database is asked while `watchers` see ten events, each with its hint. */
  async function readsWith(watchers: number): Promise<number> {
    const domain = await makeDomain()
    const file = await makeFile(domain)
    const count = await countReads(domain)
    const streams = await Promise.all(
      Array.from({ length: watchers }, (_, index) =>
        follow(index % 2 ? `${domain.origin}/v1/events` : `${file.url}/events`, asAdmin),
      ),
    )
    for (let event = 0; event < 10; event++) {
      await moveSilently(file.id, 'processing')
      await watchObject(domain).hint()
      await streams[0]!.until(event + 2)
    }
    await Promise.all(streams.map((stream, index) => stream.until(index % 2 ? 10 : 11)))
    for (const stream of streams) await stream.leave()
    return count()
  }

  test('cost the database no more than one does', async () => {
    const isFull = Boolean((env as unknown as Record<string, unknown>).STEVEDORE_TEST_FULL)
    const [one, many] = [await readsWith(1), await readsWith(isFull ? 1_000 : 150)]
    expect(one).toBeGreaterThanOrEqual(10)
    // The polls of the seconds that it takes longer to serve them.
    expect(many).toBeLessThan(one + 15)
  })

  test('are hinted at once, however often that is', async () => {
    const domain = await makeDomain()
    const count = await countReads(domain)
    const stream = await follow(`${domain.origin}/v1/events`, asAdmin)
    const file = await makeFile(domain)
    await Promise.all(Array.from({ length: 200 }, () => watchObject(domain).hint()))
    await stream.until(1)
    expect(count()).toBeLessThan(20)
    expect(stream.events()[0]?.data.id).toBe(file.id)
    await stream.leave()
  })

  test('see all that happened while the database was away, however much that is', async () => {
    const domain = await makeDomain()
    const file = await makeFile(domain)
    let failures = 0
    let isAway = false
    await beforeReads(domain, () => {
      if (!isAway) return
      failures++
      throw new Error('D1_ERROR: Network connection lost.')
    })
    const stream = await follow(`${domain.origin}/v1/events`, asAdmin)
    isAway = true
    await addEvents(file.id, 1_200)
    await eventually(async () => {
      await watchObject(domain).hint()
      expect(failures).toBeGreaterThan(1)
    })
    isAway = false
    expect(numbers(await stream.until(1_200))).toEqual(Array.from({ length: 1_200 }, (_, index) => index + 2))
    await stream.leave()
  })

  test('are bounded for one client, who finds room again when he has left', async () => {
    const domain = await makeDomain()
    const file = await makeFile(domain)
    const { key } = await makeKey(domain, ['read'])
    const open = (headers = {}, as?: string) => follow(`${file.url}/events`, { send, headers, ...(as && { key: as }) })
    const byKey = await Promise.all(Array.from({ length: maxWatchersPerClient }, () => open({}, key)))
    const refused = await call('GET', `${file.url}/events`, { send, key })
    expectProblem(refused, 429, 'too-many-watchers')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    const waiting = await call('GET', `${file.url}/status`, { send, key, headers: { prefer: 'wait=9' } })
    expectProblem(waiting, 429, 'too-many-watchers')
    const elsewhere = await open({ 'cf-connecting-ip': '192.0.2.1' })
    expect(elsewhere.status).toBe(200)
    for (const stream of byKey) await stream.leave()
    const again = await open({}, key)
    expect(again.status).toBe(200)
    for (const stream of [again, elsewhere]) await stream.leave()
    await runInDurableObject(watchObject(domain), (instance) => expect(instance.watcherCount).toBe(0))
  })
})

async function seqOfFirst(domain: TestDomain): Promise<number | undefined> {
  const [row] = await allRows<{ seq: number }>('SELECT min(seq) AS seq FROM file_events WHERE domain_id = ?', domain.id)
  return row?.seq
}

/** Lets so many more events have happened to a file. */
async function addEvents(id: string, count: number): Promise<void> {
  await execute(
    `INSERT INTO file_events (file_id, domain_id, number, kind, generation, created_at)
     WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
     SELECT id, domain_id, last_event + n, 'pending', 1, 1 FROM uploaded_files, numbers WHERE id = ? ORDER BY n`,
    count,
    id,
  )
  await execute('UPDATE uploaded_files SET last_event = last_event + ? WHERE id = ?', count, id)
}
