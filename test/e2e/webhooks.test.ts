import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectStatus, makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type HookServer, type Misbehaviour, startHookServer } from '../support/e2e/hook-server.ts'
import { adminToken, type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'

let worker: LocalWorker
let server: HookServer

beforeAll(async () => {
  server = await startHookServer()
  worker = await startLocalWorker({ WEBHOOK_RETRY_SECONDS: '1,1,1,1' })
})
afterAll(async () => {
  await server?.close()
  await worker?.stop()
})

async function administer(domain: TestDomain, method: string, path: string, body?: object) {
  const answer = await worker.call(method, `/v1/domains/${domain.slug}${path}`, {
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  expect(answer.status, answer.body.toString()).toBeLessThan(300)
  return answer.json()
}

/** Makes an endpoint at a path of the server; its first messages get these in place of an answer. */
async function listen(domain: TestDomain, path: string, ...misbehaviours: Misbehaviour[]): Promise<string> {
  const { id, secret } = await administer(domain, 'POST', '/webhooks', { url: server.url + path })
  server.receiver.listen(path, secret)
  server.misbehave(path, ...misbehaviours)
  return id
}

async function upload(domain: TestDomain): Promise<void> {
  const host = `${domain.host}:${worker.port}`
  expectStatus(await worker.call('PUT', '/v1/uploads/a.txt', { host, body: 'abc' }), 202)
}

// biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of any shape
async function ended(domain: TestDomain, count: number): Promise<Map<string, any>> {
  return eventually(async () => {
    const { deliveries } = await administer(domain, 'GET', '/deliveries')
    expect(deliveries).toHaveLength(count)
    for (const { status } of deliveries) expect(status).not.toBe('waiting')
    return new Map(deliveries.map((delivery: { endpointId: string }) => [delivery.endpointId, delivery]))
  }, 60_000)
}

const dies: Misbehaviour = (response) => response.socket?.destroy()
const hangs: Misbehaviour = () => {}
const answers =
  (status: number, headers: Record<string, string> = {}): Misbehaviour =>
  (response) =>
    response.writeHead(status, headers).end('as told')
const diesInItsAnswer: Misbehaviour = (response) => {
  response.writeHead(200, { 'content-length': '1000' })
  response.write('the begin', () => response.socket?.destroy())
}

test('each way in which a receiver fails is seen for what it is, and nothing is lost', {
  timeout: 90_000,
}, async () => {
  const domain = await makeDomain(worker)
  const endpoints = {
    dead: await listen(domain, '/dead', dies, dies),
    mid: await listen(domain, '/mid', diesInItsAnswer),
    moved: await listen(domain, '/moved', answers(307, { location: `${server.url}/elsewhere` })),
    busy: await listen(domain, '/busy', answers(429, { 'retry-after': '3' })),
    gone: await listen(domain, '/gone', answers(410)),
    hanging: await listen(domain, '/hanging', hangs),
  }
  await upload(domain)
  const deliveries = await ended(domain, 6)
  const of = (name: keyof typeof endpoints) => deliveries.get(endpoints[name])
  expect(of('dead')).toMatchObject({ status: 'delivered', attempts: 3 })
  // It has said what it thinks of the message before it died.
  expect(of('mid')).toMatchObject({ status: 'delivered', attempts: 1, lastAttempt: { responseStatus: 200 } })
  expect(of('moved')).toMatchObject({ status: 'delivered', attempts: 2 })
  expect(of('busy')).toMatchObject({ status: 'delivered', attempts: 2 })
  expect(of('gone')).toMatchObject({ status: 'failed', attempts: 1, lastAttempt: { responseStatus: 410 } })
  expect(of('hanging')).toMatchObject({ status: 'delivered', attempts: 2 })
  expect(server.receiver.unverified).toEqual([])
  for (const [name, times] of Object.entries({ dead: 3, mid: 1, moved: 2, busy: 2, gone: 1, hanging: 2 })) {
    const messages = server.receiver.at(`/${name}`)
    expect(messages, name).toHaveLength(times)
    expect(new Set(messages.map(({ id }) => id)), name).toEqual(new Set([of(name as keyof typeof endpoints).id]))
  }
  const [first, second] = server.receiver.at('/busy').map(({ timestamp }) => timestamp)
  expect(second! - first!).toBeGreaterThanOrEqual(2)
  await upload(domain)
  await ended(domain, 11)
  expect(server.receiver.at('/gone')).toHaveLength(1)
})

test('a receiver that is down gets everything when it is back', { timeout: 60_000 }, async () => {
  const domain = await makeDomain(worker)
  const id = await listen(domain, '/down')
  await server.close()
  await upload(domain)
  await eventually(async () => {
    const { deliveries } = await administer(domain, 'GET', '/deliveries')
    expect(deliveries[0]?.lastAttempt).toBeTruthy()
  }, 30_000)
  expect(server.receiver.at('/down')).toEqual([])
  await server.listen()
  const deliveries = await ended(domain, 1)
  expect(deliveries.get(id)).toMatchObject({ status: 'delivered', lastAttempt: { responseStatus: 204 } })
  expect(server.receiver.at('/down')).toHaveLength(1)
})
