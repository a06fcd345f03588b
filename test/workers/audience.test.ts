import { describe, expect, test } from 'vitest'
import type { FileEvent } from '../../src/core/file-event.ts'
import type { FileStatus } from '../../src/core/status.ts'
import { maxWatchers, maxWatchersPerClient, type Watch } from '../../src/core/watch.ts'
import { Audience } from '../../src/live/audience.ts'
import { maxQueuedBytes, Watcher } from '../../src/live/watcher.ts'
import { parseEvents } from '../support/e2e/event-stream.ts'

const everything: Watch = { fileId: null, statuses: null, changeAfter: null, client: null }

function join(audience: Audience, watch: Partial<Watch> = {}, endsAt = Number.POSITIVE_INFINITY): Watcher {
  const watcher = new Watcher({ ...everything, ...watch }, endsAt, (gone) => audience.remove(gone))
  audience.add(watcher)
  return watcher
}

let seq = 0
const event = (fileId: string, number: number, status: FileStatus = 'processing'): FileEvent => ({
  seq: ++seq,
  fileId,
  number,
  status,
  generation: 1,
  failure: null,
  at: 0,
})

/** Everything a watcher gets until its stream ends. */
const readAll = (watcher: Watcher) => new Response(watcher.body).text()
const numbersOf = (text: string) => parseEvents(text).map(({ data }) => `${data.id} ${data.number}`)

describe('an audience', () => {
  // Thousands of events, one after the other: on a busy machine longer than the five seconds that a test has.
  test('lets a watcher go who does not keep up, with all that he was sent, and nobody else', {
    timeout: 60_000,
  }, async () => {
    const audience = new Audience()
    const slow = join(audience)
    const keen = join(audience)
    const reading = readAll(keen)
    const events: FileEvent[] = []
    while (audience.size === 2) {
      events.push(event('file', events.length + 1))
      audience.tell(events.slice(-1), 'domain')
      // The other one reads what it gets.
      await new Promise((resolve) => setTimeout(resolve))
      expect(events.length).toBeLessThan(maxQueuedBytes / 100)
    }
    expect(numbersOf(await readAll(slow))).toEqual(events.slice(0, -1).map(({ number }) => `file ${number}`))
    audience.beat(Number.POSITIVE_INFINITY)
    expect(numbersOf(await reading)).toEqual(events.map(({ number }) => `file ${number}`))
  })

  test('shows that its streams are alive, but not to those who only wait for their end', async () => {
    const audience = new Audience()
    const streams = [
      join(audience),
      join(audience, { fileId: 'file' }),
      join(audience, { fileId: 'file', changeAfter: 1 }),
    ]
    const reading = Promise.all(streams.map(readAll))
    audience.beat(1)
    audience.beat(2)
    for (const stream of streams) stream.end()
    expect(await reading).toEqual([':\n\n:\n\n', ':\n\n:\n\n', ''])
  })

  test('lets everybody go when his time is over', async () => {
    const audience = new Audience()
    const [early, late] = [join(audience, {}, 1_000), join(audience, {}, 2_000)]
    audience.beat(999)
    expect(audience.size).toBe(2)
    audience.beat(1_000)
    expect(audience.size).toBe(1)
    expect(await readAll(early)).toBe(':\n\n')
    audience.beat(2_000)
    expect(await readAll(late)).toBe(':\n\n:\n\n')
  })

  test('ends the streams of a file with its last event, unless it has begun again', async () => {
    const audience = new Audience()
    const [one, two] = [join(audience, { fileId: 'one' }), join(audience, { fileId: 'two' })]
    const all = join(audience)
    audience.tell([event('one', 1, 'complete'), event('two', 1, 'complete'), event('two', 2, 'pending')], 'domain')
    expect(numbersOf(await readAll(one))).toEqual(['one 1'])
    expect(audience.size).toBe(2)
    audience.tell([event('two', 3, 'failed')], 'domain')
    expect(numbersOf(await readAll(two))).toEqual(['two 1', 'two 2', 'two 3'])
    expect(audience.size).toBe(1)
    all.end()
    expect(numbersOf(await readAll(all))).toEqual(['one 1', 'two 1', 'two 2', 'two 3'])
  })

  test('ends the stream of who waits for a change with the first event that he does not know', async () => {
    const audience = new Audience()
    const waiting = join(audience, { fileId: 'file', changeAfter: 2 })
    audience.tell([event('file', 1), event('file', 2), event('other', 3)], 'domain')
    expect(audience.size).toBe(1)
    audience.tell([event('file', 3)], 'domain')
    expect(audience.size).toBe(0)
    expect(await readAll(waiting)).toBe('')
  })

  test('tells progress to those only who have nothing else to read and asked for everything', async () => {
    const audience = new Audience()
    const [idle, busy] = [join(audience, { fileId: 'file' }), join(audience, { fileId: 'file' })]
    const others = [
      join(audience, { fileId: 'other' }),
      join(audience, { statuses: ['complete'] }),
      join(audience, { fileId: 'file', changeAfter: 1 }),
    ]
    busy.send(new TextEncoder().encode('data: {}\n\n'))
    audience.tellProgress({ fileId: 'file', receivedBytes: 5, progress: null })
    for (const stream of [idle, busy, ...others]) stream.end()
    expect(parseEvents(await readAll(idle))).toEqual([
      { event: 'progress', data: { id: 'file', receivedBytes: 5, progress: null } },
    ])
    expect(parseEvents(await readAll(busy))).toEqual([{ data: {} }])
    for (const stream of others) expect(await readAll(stream)).toBe('')
  })

  test('has room for so many, and for so many of one client', () => {
    const audience = new Audience()
    const mine = { ...everything, client: 'me' }
    const first = join(audience, mine)
    for (let count = 1; count < maxWatchersPerClient; count++) join(audience, mine)
    expect(audience.refuses(mine)).toBe('client')
    expect(audience.refuses(everything)).toBeNull()
    audience.remove(first)
    audience.remove(first)
    expect(audience.refuses(mine)).toBeNull()
    while (audience.size < maxWatchers) join(audience)
    expect([audience.refuses(everything), audience.refuses(mine)]).toEqual(['domain', 'domain'])
  })
})
