import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { retrySchedule } from '../../src/core/webhook.ts'
import {
  adminToken,
  allRows,
  call,
  execute,
  expectProblem,
  expectStatus,
  makeDomain,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'
import { depsWith, faultyD1 } from '../support/workers/faults.ts'
import { closeWorkshop, openWorkshop, receiverOrigin, type WebhookWorkshop } from '../support/workers/webhooks.ts'

vi.setConfig({ testTimeout: 30_000 })

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

let shop: WebhookWorkshop
let domain: TestDomain

beforeAll(() => {
  for (const method of ['error', 'warn'] as const) vi.spyOn(console, method).mockImplementation(() => {})
})
beforeEach(async () => {
  ;({ shop, domain } = await openWorkshop())
})
afterAll(closeWorkshop)

const ends = ['upload.complete', 'upload.failed', 'upload.quarantined']
const all = ['upload.pending', 'upload.processing', ...ends, 'upload.deleted']

async function upload(content = 'abc'): Promise<string> {
  const answer = await putFile(domain.origin, 'a.txt', content, { send: shop.send })
  expectStatus(answer, 202)
  return answer.json.id
}

/** Brings a file to its end, and its deliveries to wherever they come. */
async function finishedUpload(): Promise<string> {
  const id = await upload()
  await shop.drain()
  return id
}

const remove = (id: string) => call('DELETE', `${domain.origin}/v1/uploads/${id}`, { key: adminToken, send: shop.send })

const types = (path: string) => shop.receiver.at(path).map((message) => message.type)

describe('an endpoint', () => {
  test('is told each event that it asks for, in order and numbered, as the upload is shown', async () => {
    await shop.endpoint(domain, '/all', all)
    await shop.endpoint(domain, '/ends', ends)
    const id = await finishedUpload()
    expect(types('/all')).toEqual(['upload.pending', 'upload.processing', 'upload.complete'])
    expect(shop.receiver.at('/all').map(({ data }) => data.number)).toEqual([1, 2, 3])
    const [message] = shop.receiver.at('/ends')
    const shown = (await call('GET', `${domain.origin}/v1/uploads/${id}`)).json
    const { links: _links, variants: _variants, ...view } = shown
    expect(message?.body).toEqual({
      type: 'upload.complete',
      timestamp: shown.completedAt,
      data: { id, number: 3, generation: 1, domain: domain.slug, upload: view },
    })
    expect(new Set(shop.receiver.received.map((received) => received.id)).size).toBe(4)
    expectStatus(
      await call('POST', `${domain.origin}/v1/uploads/${id}/reprocess`, { key: adminToken, send: shop.send }),
      202,
    )
    await shop.drain()
    expectStatus(await remove(id), 204)
    await shop.drain()
    expect(types('/all').slice(3)).toEqual(['upload.pending', 'upload.processing', 'upload.complete', 'upload.deleted'])
    expect(shop.receiver.at('/all').map(({ data }) => data.number)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(shop.receiver.at('/all').map(({ data }) => data.generation)).toEqual([1, 1, 1, 2, 2, 2, 2])
    expect(shop.receiver.at('/all').at(-1)?.data.upload).toMatchObject({ id, status: 'deleted', filename: '' })
    expect(types('/ends')).toEqual(['upload.complete', 'upload.complete'])
    expect(shop.receiver.unverified).toEqual([])
    expect(await shop.deliveries(domain, '?status=waiting')).toEqual([])
  })

  test('is told nothing from before it was there, or from while it was disabled', async () => {
    await shop.endpoint(domain, '/first', all)
    await upload()
    const id = await shop.endpoint(domain, '/second', all)
    await shop.drain()
    expect(types('/first')).toEqual(['upload.pending', 'upload.processing', 'upload.complete'])
    expect(types('/second')).toEqual(['upload.processing', 'upload.complete'])
    const turn = (enabled: boolean) => shop.administer(domain, 'PATCH', `/webhooks/${id}`, { enabled })
    expect((await turn(false)).json).toMatchObject({ enabled: false, disabledReason: 'manual' })
    await finishedUpload()
    expect((await turn(true)).json).toMatchObject({ enabled: true, disabledReason: null, disabledAt: null })
    expect(types('/second')).toHaveLength(2)
    await finishedUpload()
    expect(types('/second')).toHaveLength(5)
  })

  test('is not told of an upload that was never accepted', async () => {
    await shop.endpoint(domain, '/all', all)
    await execute(
      `INSERT INTO file_events (file_id, domain_id, number, kind, generation, created_at)
        VALUES ('f', ?, 1, 'uploading', 1, 1), ('f', ?, 2, 'deleted', 1, 1)`,
      domain.id,
      domain.id,
    )
    await finishedUpload()
    expect(types('/all')).toEqual(['upload.pending', 'upload.processing', 'upload.complete'])
  })

  test('that somebody else has is told nothing', async () => {
    await shop.endpoint(await makeDomain(), '/other', all)
    await shop.endpoint(domain, '/own', ends)
    await finishedUpload()
    expect(shop.receiver.received.map(({ path }) => path)).toEqual(['/own'])
  })

  test('has a test sent, whatever it asks for', async () => {
    const id = await shop.endpoint(domain, '/test', ends)
    const answer = await shop.administer(domain, 'POST', `/webhooks/${id}/test`)
    expectStatus(answer, 202)
    await shop.drain()
    expect(shop.receiver.received).toMatchObject([
      { id: answer.json.id, type: 'webhook.test', data: { endpointId: id, domain: domain.slug } },
    ])
  })

  test('has two secrets for a day after one is changed', async () => {
    const id = await shop.endpoint(domain, '/old', ends)
    const rotated = await shop.administer(domain, 'POST', `/webhooks/${id}/rotate-secret`)
    expectStatus(rotated, 200)
    await finishedUpload()
    expect(shop.receiver.at('/old')).toMatchObject([{ signatures: 2 }])
    shop.receiver.listen('/old', rotated.json.secret)
    await finishedUpload()
    shop.aheadMs += day + minute
    await finishedUpload()
    expect(shop.receiver.at('/old').map(({ signatures }) => signatures)).toEqual([2, 2, 1])
    expect(shop.receiver.unverified).toEqual([])
    const shown = await shop.administer(domain, 'GET', `/webhooks/${id}`)
    expect(shown.text).not.toContain('whsec_')
  })

  test.each([
    ['is a server error', () => new Response('oh dear', { status: 500 })],
    ['is a redirect', () => new Response(null, { status: 302, headers: { location: `${receiverOrigin}/elsewhere` } })],
    ['is a client error', () => new Response(null, { status: 404 })],
    ['is a dropped connection', () => Promise.reject(new Error('reset'))],
  ])('whose answer %s is sent the same again by the schedule, until it was the last time', async (_name, behave) => {
    const id = await shop.endpoint(domain, '/bad', ends, behave)
    await upload()
    await shop.runOnce()
    const waits: number[] = []
    for (let attempt = 1; ; attempt++) {
      const before = shop.now()
      await shop.runOnce()
      expect(shop.receiver.at('/bad')).toHaveLength(attempt)
      const [delivery] = await shop.deliveries(domain)
      expect(delivery).toMatchObject({ endpointId: id, attempts: attempt, round: 1 })
      if (delivery.status === 'failed') break
      waits.push(Math.round((Date.parse(delivery.nextAttemptAt) - before) / 1000))
      shop.aheadMs += waits.at(-1)! * 1000 + 1
      if (waits.at(-1)! > 600) await shop.sweep()
    }
    // The clock of the test goes on by itself for the seconds that the test takes.
    for (const [index, wait] of waits.entries()) expect(Math.abs(wait - retrySchedule[index]!)).toBeLessThan(5)
    expect(waits).toHaveLength(retrySchedule.length)
    expect(new Set(shop.receiver.received.map((message) => message.id)).size).toBe(1)
    expect(shop.receiver.at('/elsewhere')).toEqual([])
    await shop.sweep()
    expect(shop.queue.take()).toEqual([])
  })

  test('is given the time that it asks for, but no more than a day', async () => {
    const answers = ['7200', '999999999', 'soon']
    await shop.endpoint(domain, '/busy', ends, () => {
      return new Response('slow down', { status: 429, headers: { 'retry-after': answers.shift() ?? '' } })
    })
    await upload()
    await shop.runOnce()
    for (const seconds of [7200, 86_400, retrySchedule[2]!]) {
      const before = shop.now()
      await shop.runOnce()
      const [delivery] = await shop.deliveries(domain)
      expect(delivery.lastAttempt).toMatchObject({ responseStatus: 429, responseBody: 'slow down', error: null })
      const wait = (Date.parse(delivery.nextAttemptAt) - before) / 1000
      expect(Math.abs(wait - seconds)).toBeLessThan(5)
      shop.aheadMs += wait * 1000 + 1
      await shop.sweep()
    }
  })

  test('that answers 410 is disabled, gets nothing more, and the others are told', async () => {
    const gone = await shop.endpoint(domain, '/gone', all, () => new Response(null, { status: 410 }))
    await shop.endpoint(domain, '/watching', ['webhook.disabled'])
    await finishedUpload()
    expect(types('/gone')).toEqual(['upload.pending'])
    expect((await shop.administer(domain, 'GET', `/webhooks/${gone}`)).json).toMatchObject({
      enabled: false,
      disabledReason: 'gone',
    })
    expect(shop.receiver.at('/watching')).toMatchObject([
      { type: 'webhook.disabled', data: { endpointId: gone, url: `${receiverOrigin}/gone`, reason: 'gone' } },
    ])
    shop.aheadMs += 5 * minute
    await shop.sweep()
    await shop.drain()
    expect(types('/gone')).toEqual(['upload.pending'])
    const statuses = (await shop.deliveries(domain, `?endpoint=${gone}`)).map(({ status }) => status)
    expect(statuses.sort()).toEqual(['cancelled', 'cancelled', 'failed'])
    expectProblem(await shop.administer(domain, 'POST', `/webhooks/${gone}/test`), 409, 'webhook-disabled')
  })

  test('that does nothing but fail for five days is disabled, and one success begins them anew', async () => {
    const fail = () => new Response(null, { status: 503 })
    const id = await shop.endpoint(domain, '/failing', ends, fail)
    await shop.endpoint(domain, '/watching', ['webhook.disabled'])
    const shown = async () => (await shop.administer(domain, 'GET', `/webhooks/${id}`)).json
    await upload()
    await shop.runOnce()
    await shop.runOnce()
    expect((await shown()).failingSince).not.toBeNull()
    shop.queue.take()
    shop.aheadMs += 4 * day
    shop.receiver.behave('/failing', () => new Response(null, { status: 204 }))
    await finishedUpload()
    expect(await shown()).toMatchObject({ enabled: true, failingSince: null })
    shop.receiver.behave('/failing', fail)
    await upload()
    await shop.runOnce()
    await shop.runOnce()
    shop.queue.take()
    shop.aheadMs += 5 * day
    expect((await shown()).enabled).toBe(true)
    await upload()
    await shop.runOnce()
    await shop.runOnce()
    expect(await shown()).toMatchObject({ enabled: false, disabledReason: 'failing' })
    await shop.drain()
    expect(types('/watching')).toEqual(['webhook.disabled'])
  })

  test('is not said to fail, or to be well again, by a worker that has lost its delivery', async () => {
    const id = await shop.endpoint(domain, '/slow', ends)
    const failingSince = async () => (await shop.administer(domain, 'GET', `/webhooks/${id}`)).json.failingSince
    const answer = (status: number) => new Response(null, { status })
    const sendTwice = async (late: number, soon: number) => {
      await upload()
      await shop.runOnce()
      const [job] = shop.queue.take()
      const { promise: held, resolve: release } = Promise.withResolvers<Response>()
      shop.receiver.behave('/slow', () => held)
      const arrived = shop.receiver.received.length
      const first = shop.run(job!)
      await vi.waitFor(() => expect(shop.receiver.received).toHaveLength(arrived + 1))
      shop.aheadMs += 2 * minute
      shop.receiver.behave('/slow', () => answer(soon))
      await shop.run(job!)
      const before = await failingSince()
      release(answer(late))
      await first
      shop.queue.take()
      return [before, await failingSince()]
    }
    expect(await sendTwice(503, 204)).toEqual([null, null])
    const [before, after] = await sendTwice(204, 503)
    expect(before).not.toBeNull()
    expect(after).toBe(before)
  })

  test('that is deleted gets nothing more', async () => {
    const id = await shop.endpoint(domain, '/deleted', all)
    await upload()
    await shop.runOnce()
    expectStatus(await shop.administer(domain, 'DELETE', `/webhooks/${id}`), 204)
    await shop.drain()
    shop.aheadMs += 5 * minute
    await shop.sweep()
    await shop.drain()
    expect(shop.receiver.received).toEqual([])
    expectProblem(await shop.administer(domain, 'DELETE', `/webhooks/${id}`), 404, 'webhook-not-found')
    expect((await shop.deliveries(domain)).map(({ status }) => status)).toEqual(['cancelled', 'cancelled', 'cancelled'])
  })

  test.each(['http://192.168.1.1/', 'https://10.0.0.1/', 'https://user@receiver.example/'])(
    'may not be at %s',
    async (url) => {
      expectProblem(await shop.administer(domain, 'POST', '/webhooks', { url }), 422, 'url-not-allowed')
      const id = await shop.endpoint(domain, '/good', ends)
      expectProblem(await shop.administer(domain, 'PATCH', `/webhooks/${id}`, { url }), 422, 'url-not-allowed')
      await execute('UPDATE webhook_endpoints SET url = ? WHERE id = ?', url, id)
      await finishedUpload()
      const [delivery] = await shop.deliveries(domain)
      expect(delivery).toMatchObject({ status: 'failed', lastAttempt: { error: expect.stringMatching(/^The URL /) } })
    },
  )

  test('is one of twenty at most', async () => {
    for (let made = 0; made < 20; made++) await shop.endpoint(domain, `/${made}`, ends)
    const body = { url: receiverOrigin }
    expectProblem(await shop.administer(domain, 'POST', '/webhooks', body), 409, 'limit-reached')
    expect((await shop.administer(domain, 'GET', '/webhooks')).json.endpoints).toHaveLength(20)
  })
})

describe('a later event', () => {
  test('waits for the first try of the one before it, and not for its retries', async () => {
    await shop.endpoint(domain, '/all', all, () => new Response(null, { status: 500 }))
    await upload()
    await shop.runOnce()
    const first = shop.queue.take()
    expect(first).toHaveLength(2)
    // The second one's job comes first, as when a queue has lost the first's.
    const [, ...others] = await allRows<{ id: string; round: number }>(
      'SELECT id, round FROM webhook_deliveries WHERE domain_id = ? ORDER BY seq',
      domain.id,
    )
    for (const { id } of others) {
      const job = { kind: 'deliver' as const, id, domainId: domain.id, generation: 1, publish: 9, bytes: 0 }
      expect(await shop.run(job)).toBe('nothing-to-do')
    }
    expect(shop.receiver.received).toEqual([])
    for (const job of first) await shop.run(job)
    expect(types('/all')).toEqual(['upload.pending'])
    await shop.runOnce()
    await shop.runOnce()
    expect(types('/all')).toEqual(['upload.pending', 'upload.processing', 'upload.complete'])
  })
})

describe('nothing is lost', () => {
  test('when nobody could make the deliveries: the next sweep does', async () => {
    await shop.endpoint(domain, '/all', all)
    await upload()
    const env = {
      DB: faultyD1(depsWith().env.DB, (sql) =>
        sql.startsWith('insert into "webhook_deliveries"') ? 'before' : undefined,
      ),
    }
    await shop.runOnce(shop.deps({ env }))
    expect(shop.queue.take()).toEqual([])
    await shop.sweep()
    await shop.drain()
    expect(types('/all')).toEqual(['upload.pending', 'upload.processing', 'upload.complete'])
  })

  test.each(['before', 'after'] as const)('when a worker dies %s it has noted that it was sent', async (moment) => {
    await shop.endpoint(domain, '/ends', ends)
    await upload()
    await shop.runOnce()
    const env = {
      DB: faultyD1(depsWith().env.DB, (sql) =>
        /^update "webhook_deliveries" set "(publish|status)/m.test(sql) ? moment : undefined,
      ),
    }
    const [job] = shop.queue.take()
    await expect(shop.run(job!, shop.deps({ env }))).rejects.toThrow()
    expect(shop.receiver.received).toHaveLength(1)
    expect(await shop.run(job!)).toBe('nothing-to-do')
    shop.aheadMs += 2 * minute
    await shop.sweep()
    await shop.drain()
    const expected = moment === 'before' ? 2 : 1
    expect(shop.receiver.received).toHaveLength(expected)
    expect(new Set(shop.receiver.received.map(({ id }) => id)).size).toBe(1)
    expect(await shop.deliveries(domain)).toMatchObject([{ status: 'delivered' }])
  })

  test('when the queue loses every job', async () => {
    await shop.endpoint(domain, '/all', all)
    await upload()
    for (let minutes = 0; minutes < 20; minutes++) {
      for (const job of shop.queue.take()) if (job.kind === 'process') await shop.run(job)
      shop.aheadMs += 5 * minute
      await shop.sweep()
      const [job] = shop.queue.take().filter(({ kind }) => kind === 'deliver')
      if (job) await shop.run(job)
    }
    expect(types('/all')).toEqual(['upload.pending', 'upload.processing', 'upload.complete'])
  })

  test('and nothing sent twice, when many make the deliveries and run the jobs at once', async () => {
    await shop.endpoint(domain, '/all', all)
    const ids = await Promise.all([upload('a'), upload('b'), upload('c')])
    const jobs = shop.queue.take()
    await Promise.all([...jobs, ...jobs].map((job) => shop.run(job)))
    for (let published = shop.queue.take(); published.length > 0; published = shop.queue.take()) {
      await Promise.all([...published, ...published].map((job) => shop.run(job)))
    }
    for (const id of ids) {
      const numbers = shop.receiver.received.filter(({ data }) => data.id === id).map(({ data }) => data.number)
      expect(numbers).toEqual([1, 2, 3])
    }
  })

  test('when the queue gives a job up: its dead letter sends it again', async () => {
    await shop.endpoint(domain, '/ends', ends)
    await upload()
    await shop.runOnce()
    const [job] = shop.queue.take()
    const { noteDeadJob } = await import('../../src/services/run-job.ts')
    await noteDeadJob(shop.deps(), job, 'lost')
    const list = await call('GET', 'http://localhost/v1/admin/dead-letters', { key: adminToken })
    const letter = list.json.deadLetters.find(({ rowId }: { rowId: string }) => rowId === job!.id)
    expect(letter).toMatchObject({ kind: 'deliver', domainId: domain.id, generation: 1, publish: 1 })
    const url = `http://localhost/v1/admin/dead-letters/${letter.id}/retry`
    expect((await call('POST', url, { key: adminToken, send: shop.send })).json.published).toBe(true)
    await shop.drain()
    expect(types('/ends')).toEqual(['upload.complete'])
  })

  test('when one domain has more to send than may be on its way at once', async () => {
    await shop.endpoint(domain, '/ends', ends)
    for (const content of ['a', 'b', 'c']) await upload(content)
    await shop.runOnce()
    const jobs = shop.queue.take()
    expect(jobs).toHaveLength(3)
    const { promise: held, resolve: release } = Promise.withResolvers<Response>()
    shop.receiver.behave('/ends', () => held)
    const deps = shop.deps({}, { maxRunning: 1 })
    const first = shop.run(jobs[0]!, deps)
    await vi.waitFor(() => expect(shop.receiver.received).toHaveLength(1))
    expect(await shop.run(jobs[1]!, deps)).toBe('postponed')
    expect(await shop.run(jobs[2]!, deps)).toBe('postponed')
    release(new Response(null, { status: 200 }))
    shop.receiver.behave('/ends', () => new Response(null, { status: 200 }))
    await first
    await shop.drain(deps)
    expect(types('/ends')).toHaveLength(3)
  })
})

describe('a delivery', () => {
  test('is shown with what came of its last attempt, and can be sent again under its own id', async () => {
    const endpoint = await shop.endpoint(domain, '/ends', ends, () => new Response('y'.repeat(3000), { status: 200 }))
    const upload = await finishedUpload()
    const [delivery] = await shop.deliveries(domain, `?upload=${upload}&status=delivered&endpoint=${endpoint}`)
    expect(delivery).toMatchObject({
      endpointId: endpoint,
      callbackUrl: null,
      type: 'upload.complete',
      uploadId: upload,
      number: 3,
      generation: 1,
      status: 'delivered',
      round: 1,
      attempts: 1,
      nextAttemptAt: null,
      lastAttempt: { responseStatus: 200, responseBody: 'y'.repeat(1024), error: null, durationMs: expect.any(Number) },
    })
    const again = await shop.administer(domain, 'POST', `/deliveries/${delivery.id}/redeliver`)
    expectStatus(again, 202)
    expect(again.json).toMatchObject({ id: delivery.id, status: 'waiting', round: 2, attempts: 0 })
    await shop.drain()
    expect(shop.receiver.received.map(({ id }) => id)).toEqual([delivery.id, delivery.id])
    const unknown = await shop.administer(domain, 'POST', `/deliveries/${upload}/redeliver`)
    expectProblem(unknown, 404, 'delivery-not-found')
    await shop.administer(domain, 'PATCH', `/webhooks/${endpoint}`, { enabled: false })
    const disabled = await shop.administer(domain, 'POST', `/deliveries/${delivery.id}/redeliver`)
    expectProblem(disabled, 409, 'webhook-disabled')
  })

  test('is found page by page', async () => {
    await shop.endpoint(domain, '/all', all)
    await finishedUpload()
    const pages: string[] = []
    for (let cursor = ''; ; ) {
      const answer = await shop.administer(domain, 'GET', `/deliveries?limit=2${cursor}`)
      pages.push(...answer.json.deliveries.map(({ id }: { id: string }) => id))
      if (answer.json.nextCursor === null) break
      cursor = `&cursor=${answer.json.nextCursor}`
    }
    expect(new Set(pages).size).toBe(3)
    expect(pages).toEqual([...pages].sort().reverse())
  })

  test('goes with the history of its file, or when it is older than that', async () => {
    domain = await makeDomain({ historyDays: 2 })
    await shop.endpoint(domain, '/all', all)
    await finishedUpload()
    shop.aheadMs += 2 * day - hour
    await shop.sweep()
    expect(await shop.deliveries(domain)).toHaveLength(3)
    const id = await finishedUpload()
    await remove(id)
    await shop.drain()
    shop.aheadMs += 2 * hour
    await shop.sweep()
    expect(new Set((await shop.deliveries(domain)).map(({ uploadId }) => uploadId))).toEqual(new Set([id]))
    shop.aheadMs += 3 * day
    await shop.sweep()
    expect(await shop.deliveries(domain)).toEqual([])
  })
})

describe('a domain that tells nobody', () => {
  test('is asked for its endpoints once in half a minute', async () => {
    const looks: string[] = []
    const env = {
      DB: faultyD1(depsWith().env.DB, (sql) => {
        if (sql.includes('webhook_')) looks.push(sql)
        return undefined
      }),
    }
    await upload()
    await upload()
    await shop.runOnce(shop.deps({ env }))
    expect(looks).toHaveLength(1)
    await shop.endpoint(domain, '/ends', ends)
    await finishedUpload()
    expect(types('/ends')).toEqual(['upload.complete'])
  })
})

test('a deleted domain tells nobody anything, and takes everything of its own along', async () => {
  await shop.endpoint(domain, '/all', all)
  await upload()
  await shop.runOnce()
  expectStatus(await shop.administer(domain, 'DELETE', ''), 204)
  await shop.drain()
  expect(shop.receiver.received).toEqual([])
  shop.aheadMs += 8 * day
  for (let sweeps = 0; sweeps < 5; sweeps++) {
    await shop.sweep()
    shop.aheadMs += 2 * hour
  }
  for (const table of ['webhook_endpoints', 'webhook_deliveries', 'webhook_progress', 'callback_secrets']) {
    expect(await allRows(`SELECT * FROM ${table} WHERE domain_id = ?`, domain.id), table).toEqual([])
  }
})
