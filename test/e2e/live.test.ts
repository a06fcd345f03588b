import { EventSource } from 'eventsource'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { maxWatchersPerClient } from '../../src/core/watch.ts'
import { randomFrom } from '../multipart/fuzz.ts'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { cuttingFetch, readAndCut } from '../support/e2e/cut-streams.ts'
import { inParallel } from '../support/e2e/cuts.ts'
import { makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import { openEventStream, type StreamedEvent } from '../support/e2e/event-stream.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { adminToken, type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'
import { makeDueNow, reprocess, untilStatus, uploadText } from '../support/e2e/uploads.ts'

const isFull = process.env.STEVEDORE_TEST_FULL === '1'
const cuts = isFull ? 100 : 10
const watchers = 1_000
const seed = 20_261_122

const administrator = { authorization: `Bearer ${adminToken}` }

let worker: LocalWorker
let domain: TestDomain

beforeAll(async () => {
  worker = await startLocalWorker()
})
afterAll(() => worker?.stop())

/** On the apex host, where Node finds it; `rest` may have a query. */
const target = (path: string) => `/v1${path}${path.includes('?') ? '&' : '?'}domain=${domain.slug}`

const named = (events: StreamedEvent[]) => events.map(({ data }) => `${data.id} ${data.number}`)

/** What the database has of the domain, in its order. */
async function recorded(): Promise<string[]> {
  const { results } = await worker.env.DB.prepare(
    'SELECT file_id, number FROM file_events WHERE domain_id = ? ORDER BY seq',
  )
    .bind(domain.id)
    .all<{ file_id: string; number: number }>()
  return results.map(({ file_id, number }) => `${file_id} ${number}`)
}

/** Lets files come and go until told to stop, and says so when the last of them is through. */
function keepBusy(): { stop(): Promise<void> } {
  let isOver = false
  const busy = (async () => {
    while (!isOver) {
      const ids = await Promise.all([uploadText(worker, domain), uploadText(worker, domain, 'Another text.\n')])
      for (const id of ids) await untilStatus(worker, id, 'complete')
    }
  })()
  return {
    stop: async () => {
      isOver = true
      await busy
    },
  }
}

/** A file that nobody processes until it is let go. */
async function heldFile(): Promise<{ id: string; letGo(): Promise<void> }> {
  const { DB } = worker.env
  await DB.prepare(
    `CREATE TRIGGER hold AFTER INSERT ON uploaded_files
     BEGIN UPDATE uploaded_files SET next_attempt_at = 9e15 WHERE id = NEW.id; END`,
  ).run()
  const id = await uploadText(worker, domain)
  await DB.prepare('DROP TRIGGER hold').run()
  return {
    id,
    letGo: async () => {
      await DB.prepare('UPDATE uploaded_files SET next_attempt_at = NULL WHERE id = ?').bind(id).run()
      await makeDueNow(worker, id)
      await worker.runSchedule()
    },
  }
}

describe('a stream that is cut off and resumed', { timeout: 300_000 }, () => {
  it(`of a domain, ${cuts} times, has each event once, in order`, async () => {
    domain = await makeDomain(worker)
    const random = randomFrom(seed)
    const first = await uploadText(worker, domain)
    await untilStatus(worker, first, 'complete')
    const start = await openEventStream(worker.port, target(`/uploads/${first}/events`))
    await start.ended
    const received = start.events()
    const busy = keepBusy()
    for (let cut = 0; cut < cuts; cut++) {
      const headers = { ...administrator, 'last-event-id': received.at(-1)!.id! }
      const piece = await readAndCut(worker.port, target('/events'), headers, 1 + random(2_000))
      expect(piece).toMatchObject({ status: 200, isOver: false })
      received.push(...piece.events)
    }
    await busy.stop()
    const headers = { ...administrator, 'last-event-id': received.at(-1)!.id! }
    const rest = await openEventStream(worker.port, target('/events'), { headers })
    const whole = await recorded()
    await eventually(() => expect(received.length + rest.events().length).toBeGreaterThanOrEqual(whole.length))
    rest.close()
    expect(named([...received, ...rest.events()])).toEqual(whole)
    expect(whole.length).toBeGreaterThan(cuts)
  })

  it(`of an upload, ${cuts} of them, has each event once and comes to its end`, async () => {
    domain = await makeDomain(worker)
    const random = randomFrom(seed)
    const points = Array.from({ length: cuts }, () => 1 + random(800))
    await inParallel(points, 5, async (afterBytes) => {
      const id = await uploadText(worker, domain)
      const path = target(`/uploads/${id}/events`)
      const received: StreamedEvent[] = []
      let piece = await readAndCut(worker.port, path, {}, afterBytes)
      for (; !piece.isOver; ) {
        received.push(...piece.events)
        const last = received.at(-1)?.id
        piece = await readAndCut(worker.port, path, last ? { 'last-event-id': last } : {}, Number.MAX_SAFE_INTEGER)
      }
      received.push(...piece.events)
      expect(received.map(({ data }) => data.status)).toEqual(['pending', 'processing', 'complete'])
      const again = await openEventStream(worker.port, path, { headers: { 'last-event-id': received[2]!.id! } })
      expect(again.status).toBe(204)
    })
  })

  it(`by the package eventsource, ${cuts} times, has each event once, in order`, async () => {
    domain = await makeDomain(worker)
    const random = randomFrom(seed)
    const received: string[] = []
    let connections = 0
    const nextCut = () => {
      connections++
      const isLast = connections > cuts
      // The first one brings an event in any case: before that there is nothing to go on from.
      const afterBytes = connections === 1 ? 600 : isLast ? Number.POSITIVE_INFINITY : 1 + random(1_500)
      return { afterBytes, isClean: random(2) === 0 }
    }
    const source = new EventSource(`http://127.0.0.1:${worker.port}${target('/events')}`, {
      fetch: cuttingFetch(administrator, nextCut),
    })
    try {
      source.onmessage = ({ data }) => {
        const { id, number } = JSON.parse(data)
        received.push(`${id} ${number}`)
      }
      await eventually(() => expect(source.readyState).toBe(EventSource.OPEN))
      const busy = keepBusy()
      await eventually(() => expect(connections).toBeGreaterThan(cuts), 200_000)
      await busy.stop()
      const whole = await recorded()
      await eventually(() => expect(received.length).toBeGreaterThanOrEqual(whole.length))
      expect(received).toEqual(whole)
    } finally {
      source.close()
    }
  })

  it('by the package eventsource is not asked for any more when its upload has come to its end', async () => {
    domain = await makeDomain(worker)
    const id = await uploadText(worker, domain)
    const statuses: string[] = []
    const source = new EventSource(`http://127.0.0.1:${worker.port}${target(`/uploads/${id}/events`)}`)
    try {
      source.onmessage = ({ data }) => statuses.push(JSON.parse(data).status)
      await eventually(() => expect(source.readyState).toBe(EventSource.CLOSED))
      expect(statuses).toEqual(['pending', 'processing', 'complete'])
    } finally {
      source.close()
    }
  })
})

describe('many who watch', { timeout: 300_000 }, () => {
  it(`one upload, ${watchers} of them, all see its end`, async () => {
    domain = await makeDomain(worker)
    const { id, letGo } = await heldFile()
    const everybody = Array.from({ length: watchers }, (_, index) => index)
    const streams = await Promise.all(
      everybody.map((index) =>
        // Each from another address, as they would be.
        openEventStream(worker.port, target(`/uploads/${id}/events`), {
          headers: { 'cf-connecting-ip': `192.0.2.${index % 250}` },
        }),
      ),
    )
    for (const stream of streams) await eventually(() => expect(stream.events()).toHaveLength(1), 60_000)
    const openedAt = Date.now()
    await letGo()
    await Promise.all(streams.map((stream) => stream.ended))
    console.log(`${watchers} watchers saw the end of an upload within ${Date.now() - openedAt} ms of its publishing.`)
    for (const stream of streams) {
      expect(stream.events().map(({ data }) => data.status)).toEqual(['pending', 'processing', 'complete'])
    }
  })

  it('and leave, make room for others', async () => {
    // Nothing between the sockets and the Worker: a proxy hears of a client's end only when it next has something to write.
    const bare = await startBareWorker()
    try {
      const { slug } = await makeDomain(bare)
      const path = `/v1/domains/${slug}/keys`
      const headers = { ...administrator, 'content-type': 'application/json' }
      const { key } = (await bare.call('POST', path, { headers, body: '{"scopes":["read"]}' })).json()
      const asKey = { headers: { authorization: `Bearer ${key}` } }
      const open = () => openEventStream(bare.port, `/v1/events?domain=${slug}`, asKey)
      const streams = await Promise.all(Array.from({ length: maxWatchersPerClient }, open))
      expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200))
      expect((await open()).status).toBe(429)
      for (const stream of streams) stream.reset()
      await eventually(async () => {
        const stream = await open()
        stream.reset()
        expect(stream.status).toBe(200)
      })
    } finally {
      await bare.stop()
    }
  })

  it('see what nobody told them of', async () => {
    domain = await makeDomain(worker)
    const { id } = await heldFile()
    const stream = await openEventStream(worker.port, target(`/uploads/${id}/events`))
    await eventually(() => expect(stream.events()).toHaveLength(1))
    // What is left of an end whose hint was lost.
    const { DB } = worker.env
    await DB.batch([
      DB.prepare(`UPDATE uploaded_files SET status = 'failed', last_event = 2 WHERE id = ?`).bind(id),
      DB.prepare(
        `INSERT INTO file_events (file_id, domain_id, number, kind, generation, created_at) VALUES (?, ?, 2, 'failed', 1, 1)`,
      ).bind(id, domain.id),
    ])
    await stream.ended
    expect(stream.events().at(-1)?.data).toMatchObject({ number: 2, type: 'upload.failed' })
    await reprocess(worker, domain, id)
    await untilStatus(worker, id, 'complete')
  })
})
