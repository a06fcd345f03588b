import { describe, expect, test, vi } from 'vitest'
import { settleFailedAttempt } from '../../src/services/process-upload.ts'
import { runJob } from '../../src/services/run-job.ts'
import { adminToken, call, expectProblem, expectStatus, makeDomain, putFile } from '../support/workers/client.ts'
import { appWith, depsWith, HeldQueue } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 30_000 })

const queue = new HeldQueue()
const send = appWith({ deps: () => ({ queue }) })
const asAdmin = { key: adminToken, send }

/** A file that was uploaded and whose jobs have run, `passes` times. */
async function makeFile(passes = 1, domain = makeDomain()) {
  const { origin, id: domainId } = await domain
  const { json } = await putFile(origin, 'a.txt', 'abc', { send })
  const url = `${origin}/v1/uploads/${json.id}`
  for (let pass = 1; pass <= passes; pass++) {
    if (pass > 1) expectStatus(await call('POST', `${url}/reprocess`, asAdmin), 202)
    for (const job of queue.take()) await runJob(depsWith({ deps: () => ({ queue, log: () => {} }) }), job)
  }
  return { id: json.id as string, domainId, url, history: `${url}/history` }
}

describe('the history of an upload', () => {
  test('has every event, numbered, oldest first, with its time', async () => {
    const { history } = await makeFile(2)
    const { json } = await call('GET', history, { send })
    expect(json.events).toMatchObject([
      { number: 1, type: 'upload.pending', status: 'pending', generation: 1, failure: null },
      { number: 2, type: 'upload.processing', status: 'processing', generation: 1 },
      { number: 3, type: 'upload.complete', status: 'complete', generation: 1 },
      { number: 4, type: 'upload.pending', status: 'pending', generation: 2 },
      { number: 5, type: 'upload.processing', status: 'processing', generation: 2 },
      { number: 6, type: 'upload.complete', status: 'complete', generation: 2 },
    ])
    const times = json.events.map(({ at }: { at: string }) => Date.parse(at))
    expect(times).toEqual([...times].sort())
    expect(json.nextCursor).toBeNull()
  })

  test('says why an attempt failed', async () => {
    const { id, domainId, history, url } = await makeFile(1)
    expectStatus(await call('POST', `${url}/reprocess`, asAdmin), 202)
    const deps = depsWith({ deps: () => ({ queue, log: () => {} }) })
    const db = deps.databaseFor({ jurisdiction: null })
    await db.$client
      .prepare(`UPDATE uploaded_files SET status = 'processing', attempts = 1 WHERE id = ?`)
      .bind(id)
      .run()
    await settleFailedAttempt({ domainId, id, generation: 2, attempt: 1, leaseNumber: 1 }, { ...deps, db })
    const { json } = await call('GET', history, { send })
    expect(json.events.at(-1)).toMatchObject({
      number: 5,
      status: 'pending',
      failure: { code: 'attempt-failed', detail: expect.stringMatching(/Attempt 1/) },
    })
  })

  test('comes in pages that leave nothing out', async () => {
    const { history } = await makeFile(3)
    const numbers: number[] = []
    for (let cursor = ''; ; ) {
      const { json } = await call('GET', `${history}?limit=2${cursor}`, { send })
      expect(json.events.length).toBeLessThanOrEqual(2)
      numbers.push(...json.events.map((event: { number: number }) => event.number))
      if (json.nextCursor === null) break
      cursor = `&cursor=${json.nextCursor}`
    }
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test('takes no cursor of another file, of another list, or of nobody', async () => {
    const domain = makeDomain()
    const [one, two] = [await makeFile(1, domain), await makeFile(1, domain)]
    const { nextCursor: ofOne } = (await call('GET', `${one.history}?limit=1`, { send })).json
    const { nextCursor: ofList } = (await call('GET', `${(await domain).origin}/v1/uploads?limit=1`, asAdmin)).json
    for (const cursor of [ofOne, ofList, 'x', '%00', btoa(`-1/${two.id}`)]) {
      expectProblem(await call('GET', `${two.history}?cursor=${cursor}`, { send }), 400, 'request-invalid')
    }
  })

  test('is as gone as the upload is when it was deleted', async () => {
    const { history, url } = await makeFile()
    expectStatus(await call('DELETE', url, asAdmin), 204)
    expectProblem(await call('GET', history, { send }), 410, 'upload-deleted')
  })
})
