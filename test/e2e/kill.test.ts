import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { noise, randomFrom, sha256 } from '../support/e2e/bodies.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { KeptServer } from '../support/e2e/kept-server.ts'
import { mebibyte } from '../support/sizes.ts'

/** How often the server is killed; `npm run test:kill` says 100. */
const rounds = Number(process.env.KILL_ROUNDS || (process.env.STEVEDORE_TEST_FULL ? 100 : 2))
const seed = Number(process.env.KILL_SEED || Date.now() % 100_000)
const random = randomFrom(seed)
const clients = 4

let server: KeptServer

afterAll(() => server?.remove())

it(`keeps every acknowledged upload through ${rounds} kills (seed ${seed})`, {
  timeout: 60_000 + rounds * 30_000,
}, async () => {
  server = await KeptServer.on('kill')
  const acknowledged = new Map<string, string>()
  for (let round = 0; round < rounds; round++) {
    await server.start()
    const isOver = new AbortController()
    const load = Array.from({ length: clients }, () => uploadUntil(isOver.signal, acknowledged))
    // The moment is what is tested: any line of any upload, or of the jobs of the ones before.
    await sleep(200 + random() * 2000)
    isOver.abort()
    await server.kill()
    await Promise.all(load)
  }
  console.log(`${rounds} kills, ${acknowledged.size} uploads acknowledged`)

  await server.start()
  await eventually(async () => {
    await server.runSchedule()
    const unfinished = server.filesWhere(`status IN ('pending', 'processing')`)
    server.bringTimeForward()
    expect(unfinished).toEqual([])
  }, 120_000)
  for (const [id, digest] of acknowledged) {
    const status = (await server.call('GET', `/v1/uploads/${id}/status`)).json()
    expect(status.status, JSON.stringify(status)).toBe('complete')
    expect(sha256((await server.call('GET', `/v1/uploads/${id}/content`)).body)).toBe(digest)
  }
  await server.stop()

  // A day and a half later the claims that nobody can commit any more are gone, and so are objects without a row; an
  // hour after that, whatever was written late.
  await server.letPass(30)
  const kept = server.filesWhere(`status = 'complete'`)
  expect(server.filesWhere(`status <> 'complete'`)).toEqual([])
  expect(server.objectKeys()).toEqual(kept.map(({ object_key }) => object_key).sort())
  expect(server.r2.multiparts('').filter(({ state, parts }) => state === 'open' && parts > 0)).toEqual([])
  expect(server.account()).toEqual({
    stored_files: kept.length,
    stored_bytes: kept.reduce((sum, { size }) => sum + Number(size), 0),
  })
})

/** One client: uploads of all sizes, one after the other, each noted when it is acknowledged. */
async function uploadUntil(isOver: AbortSignal, acknowledged: Map<string, string>): Promise<void> {
  while (!isOver.aborted) {
    const size = random() < 0.2 ? Math.floor((5 + random() * 8) * mebibyte) : Math.floor(random() * 100_000)
    const body = noise(size, Math.floor(random() * 1e9))
    try {
      const answer = await server.call('PUT', '/v1/uploads/noise.bin', { body })
      if (answer.status === 202) acknowledged.set(answer.json().id, sha256(body))
    } catch {
      // The server was killed under it: nothing was promised.
    }
  }
}
