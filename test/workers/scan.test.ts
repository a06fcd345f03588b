import { env } from 'cloudflare:workers'
import { Buffer } from 'node:buffer'
import { crc32, deflateRawSync } from 'node:zlib'
import { afterAll, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { readVerdict, readVersion } from '../../src/clamav/answers.ts'
import { maxAttempts } from '../../src/core/backoff.ts'
import type { Job } from '../../src/core/job.ts'
import { parseAddress } from '../../src/core/socket-address.ts'
import { processUpload } from '../../src/services/process-upload.ts'
import type { ProxyWish } from '../clamav/clamav-control.ts'
import { eicar, wholeFile } from '../clamav/findings.ts'
import { noise } from '../support/e2e/bodies.ts'
import {
  adminToken,
  call,
  chunkedBody,
  execute,
  expectProblem,
  expectStatus,
  jobsDone,
  makeDomain,
  makeKey,
  putFile,
  rowOf,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, depsWith, HeldQueue, overriding } from '../support/workers/faults.ts'
import * as samples from '../support/workers/samples.ts'
import { makeLink } from '../support/workers/tokens.ts'

vi.setConfig({ testTimeout: 60_000 })

const clamav = inject('clamav')
const asAdmin = { key: adminToken }
const json = { 'content-type': 'application/json' }
const queue = new HeldQueue()
let clock = 0
/** The interface of a deployment that has a daemon, with a queue that delivers when the test says so. */
const send = appWith({ env: { CLAMD_HOST: '127.0.0.1:1' }, deps: () => ({ queue, now: () => clock }) })
beforeEach(() => {
  clock = Date.now()
  queue.take()
})

const scan = (options?: object) => ({ step: 'scan', ...(options ? { options } : {}) })

const administer = (method: string, path: string, body: object, through = send) =>
  call(method, `http://localhost/v1/domains${path}`, {
    ...asAdmin,
    headers: json,
    body: JSON.stringify(body),
    send: through,
  })

/** A domain whose files are scanned. */
async function makeScanned(options?: object, policy: object = {}): Promise<TestDomain> {
  const domain = await makeDomain({ maxFileBytes: 200_000_000, ...policy })
  expectStatus(await administer('PATCH', `/${domain.slug}`, { policy: { steps: [scan(options)] } }), 200)
  return domain
}

async function stored(domain: TestDomain, content: Uint8Array): Promise<Job> {
  const answer = await putFile(domain.origin, 'a', chunkedBody(content, 1024 * 1024), { send })
  expectStatus(answer, 202)
  return queue.take()[0]!
}

/** Where a daemon is reached, with something wrong on the way. */
async function daemonThat(wish: Partial<ProxyWish> = {}): Promise<string> {
  if ('missing' in clamav) throw new Error(clamav.missing)
  const answer = await fetch(`${clamav.url}/proxy`, {
    method: 'POST',
    body: JSON.stringify({ daemon: 'large', ...wish }),
  })
  return `127.0.0.1:${((await answer.json()) as { port: number }).port}`
}

/** Delivers a job to a worker that scans at this address. */
function work(job: Job, CLAMD_HOST: string, more: Record<string, unknown> = {}) {
  const deps = depsWith({ env: { CLAMD_HOST, ...more } })
  return processUpload(job, {
    ...deps,
    ...deps.places[0]!,
    queue,
    maxRunning: null,
    now: () => clock,
    random: () => 0.5,
  })
}

const show = async (domain: TestDomain, id: string) =>
  (await call('GET', `${domain.origin}/v1/uploads/${id}`, asAdmin)).json

/** Content, variants and links are shut for everybody, though the domain is public. */
async function expectShut(domain: TestDomain, id: string) {
  const { key } = await makeKey(domain, ['read'])
  const link = new URL(await makeLink(domain, id))
  for (const path of ['content', 'variants/thumb']) {
    const url = `${domain.origin}/v1/uploads/${id}/${path}`
    for (const options of [{}, asAdmin, { key }, { headers: { range: 'bytes=0-1' } }]) {
      expectProblem(await call('GET', url, options), 409, 'not-ready')
    }
    expectProblem(await call('GET', url + link.search), 409, 'not-ready')
    expectStatus(await call('HEAD', url, asAdmin), 409)
  }
  expect((await show(domain, id)).variants).toEqual([])
}

/** An archive with one compressed entry. */
function zipped(content: Buffer): Buffer {
  const data = deflateRawSync(content)
  const common = Buffer.alloc(26)
  common.writeUInt16LE(20, 0)
  common.writeUInt16LE(8, 4)
  common.writeUInt32LE(crc32(content), 10)
  common.writeUInt32LE(data.length, 14)
  common.writeUInt32LE(content.length, 18)
  common.writeUInt16LE(1, 22)
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from('a'), data])
  const directory = Buffer.concat([Buffer.from('PK\x01\x02\x14\0'), common, Buffer.alloc(14), Buffer.from('a')])
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(local.length, 16)
  return Buffer.concat([local, directory, end])
}

describe.skipIf('missing' in clamav)('a file', () => {
  test('that is clean is complete, and says who looked', async () => {
    const domain = await makeScanned()
    const job = await stored(domain, Buffer.from('abc'))
    await expectShut(domain, job.id)
    expect(await work(job, await daemonThat())).toBe('complete')
    const { steps } = await show(domain, job.id)
    expect(steps).toMatchObject([
      { name: 'scan', status: 'complete', result: { malware: null, engine: expect.stringMatching(/^ClamAV \d/) } },
    ])
    expect((await call('GET', `${domain.origin}/v1/uploads/${job.id}/content`)).text).toBe('abc')
  })

  test('that is empty is clean', async () => {
    const job = await stored(await makeScanned(), Buffer.alloc(0))
    expect(await work(job, await daemonThat())).toBe('complete')
  })

  test.each([
    ['is EICAR’s', eicar, 'Eicar-Test-Signature.UNOFFICIAL'],
    ['has it in its middle', Buffer.concat([noise(700_000), eicar, noise(700_000)]), 'Eicar-Test-Signature.UNOFFICIAL'],
    ['is an archive with it', zipped(eicar), 'Eicar-Test-Signature.UNOFFICIAL'],
    ['is found by the digest of all its bytes', noise(wholeFile.bytes, wholeFile.seed), 'Whole-File.UNOFFICIAL'],
    ['has an oddly named thing in it', Buffer.from('00deadbeefcafef00d0badf00d00', 'hex'), 'Odd_b_Name_/b_.UNOFFICIAL'],
  ])('is quarantined when it %s', async (_name, content, signature) => {
    const domain = await makeScanned()
    const job = await stored(domain, content)
    expect(await work(job, await daemonThat())).toBe('quarantined')
    const shown = await show(domain, job.id)
    const detail = `The file holds malware, by the signature ${signature}.`
    expect(shown).toMatchObject({ status: 'quarantined', attempts: 1, failure: { code: 'malware-found', detail } })
    expect(shown.steps).toMatchObject([{ name: 'scan', status: 'refused' }])
    expect((await rowOf(job.id)).events).toEqual(['pending', 'processing', 'quarantined'])
    await expectShut(domain, job.id)
  })

  test('of 100 MB is scanned to its last byte', async () => {
    const domain = await makeScanned({ maxBytes: 150_000_000 })
    const large = Buffer.alloc(100_000_000, 'All that stands here is harmless. ')
    eicar.copy(large, large.length - eicar.length)
    const infected = await stored(domain, large)
    expect(await work(infected, await daemonThat())).toBe('quarantined')
  })

  test('that is quarantined stays shut while it is processed again, until it is found clean', async () => {
    const domain = await makeScanned()
    const job = await stored(domain, eicar)
    expect(await work(job, await daemonThat())).toBe('quarantined')
    const reprocess = () => call('POST', `${domain.origin}/v1/uploads/${job.id}/reprocess`, { ...asAdmin, send })
    expectStatus(await reprocess(), 202)
    await expectShut(domain, job.id)
    const [again] = queue.take()
    const scanning = work(again!, await daemonThat({ delayMs: 300 }))
    await vi.waitUntil(async () => (await rowOf(job.id)).status === 'processing')
    await expectShut(domain, job.id)
    expect(await scanning).toBe('quarantined')
    await expectShut(domain, job.id)
    // Newer signatures take back what older ones have said.
    expectStatus(await reprocess(), 202)
    expect(await work(queue.take()[0]!, await daemonThat({ says: 'stream: OK\0', saysAfter: 'the end' }))).toBe(
      'complete',
    )
    expect((await call('GET', `${domain.origin}/v1/uploads/${job.id}/content`)).bytes).toEqual(Uint8Array.from(eicar))
  })

  test('that was served, with its variants, before it was scanned is shut when something is found', async () => {
    const domain = await makeDomain()
    const change = async (steps: object[]) =>
      expectStatus(await administer('PATCH', `/${domain.slug}`, { policy: { steps } }), 200)
    await change([{ step: 'image', options: { variants: { thumb: { width: 2 } } } }])
    const job = await stored(domain, Buffer.concat([samples.png(4, 3), eicar]))
    expect(await work(job, await daemonThat())).toBe('complete')
    const thumb = `${domain.origin}/v1/uploads/${job.id}/variants/thumb`
    expectStatus(await call('GET', thumb), 200)
    await change([scan()])
    expectStatus(await call('POST', `${domain.origin}/v1/uploads/${job.id}/reprocess`, { ...asAdmin, send }), 202)
    expect(await work(queue.take()[0]!, await daemonThat())).toBe('quarantined')
    await expectShut(domain, job.id)
  })

  test('that is larger than is scanned fails, and is not asked about', async () => {
    const domain = await makeScanned({ maxBytes: 10 })
    const ten = await stored(domain, Buffer.from('x'.repeat(10)))
    expect(await work(ten, await daemonThat())).toBe('complete')
    const eleven = await stored(domain, Buffer.from('x'.repeat(11)))
    expect(await work(eleven, '127.0.0.1:1')).toBe('failed')
    expect((await show(domain, eleven.id)).failure.code).toBe('too-large-to-scan')
    await expectShut(domain, eleven.id)
  })

  test('whose object is gone fails', async () => {
    const domain = await makeScanned()
    const job = await stored(domain, Buffer.from('abc'))
    await env.BUCKET.delete(`${job.id}/${domain.id}`)
    expect(await work(job, await daemonThat())).toBe('failed')
    expect((await show(domain, job.id)).failure.code).toBe('content-missing')
  })

  test('of which storage gives a part only is not called clean', async () => {
    const domain = await makeScanned()
    const job = await stored(domain, Buffer.from('abcdef'))
    const BUCKET = overriding(env.BUCKET, {
      get: (async (key: string) => {
        const object = await env.BUCKET.get(key, { range: { offset: 0, length: 3 } })
        return object
      }) as never,
    })
    expect(await work(job, await daemonThat(), { BUCKET })).toBe('retry')
  })
})

describe.skipIf('missing' in clamav)('without a clear answer a file is neither clean nor infected', () => {
  const content = noise(1_500_000, 5)
  const soon = { CLAMD_TIMEOUT_SECONDS: '1' }
  const cases: [name: string, wish: Partial<ProxyWish>, more?: Record<string, unknown>][] = [
    ['the daemon does not answer in time', { isMute: true }, soon],
    ['the daemon answers too late', { delayMs: 3000 }, soon],
    ['the daemon takes no more bytes', { stallAfter: 100_000 }, soon],
    ['the connection is reset at its beginning', { resetAfter: 0 }],
    ['the connection is reset in its middle', { resetAfter: 500_000 }],
    ['the daemon is killed in the middle', { killAfter: 500_000 }],
    ['the file is larger than the daemon takes', { daemon: 'small' }],
    ['the answer is cut to nothing', { cutAnswerAfter: 0 }],
    ['the answer is cut after "stream"', { cutAnswerAfter: 6 }],
    ['the answer is cut after "stream: OK"', { cutAnswerAfter: 10 }],
    ['the answer is cut by a reset', { cutAnswerAfter: 10, resetsAnswer: true }],
    ['somebody speaks HTTP', { says: 'HTTP/1.1 200 OK\r\n\r\nstream: OK\0' }],
    ['somebody says OK and more', { says: 'stream: OK\0stream: X FOUND\0', saysAfter: 'the end' }],
    ['somebody says OK in another way', { says: 'stream: OK\n', saysAfter: 'the end' }],
    ['somebody says nothing but where he is', { says: 'OK\0', saysAfter: 'the end' }],
    ['somebody does not stop talking', { says: 'stream: '.repeat(100_000), saysAfter: 'the end' }],
    [
      'a limit of the daemon was found',
      { says: 'stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0', saysAfter: 'the end' },
    ],
  ]

  test.each(cases)('but tried again: %s', async (_name, wish, more = {}) => {
    const domain = await makeScanned()
    const job = await stored(domain, content)
    expect(await work(job, await daemonThat(wish), more)).toBe('retry')
    expect(await show(domain, job.id)).toMatchObject({
      status: 'pending',
      attempts: 1,
      failure: { code: 'attempt-failed' },
    })
    await expectShut(domain, job.id)
    if ('missing' in clamav) return
    await fetch(`${clamav.url}/start`, { method: 'POST' })
    clock += 60_000
    expect(await work(job, await daemonThat())).toBe('complete')
  })

  test('but tried again: the daemon has looked at the beginning alone', async () => {
    const job = await stored(await makeScanned(), noise(700_000, 6))
    expect(await work(job, await daemonThat({ daemon: 'small' }))).toBe('retry')
  })

  test.each([
    ['before he has read anything', 0],
    ['in the middle', 3_000_000],
  ])('but tried again: somebody says OK %s', async (_name, saysAfter) => {
    // More than the network holds between the two, so that the answer comes while there is something left to be sent.
    const job = await stored(await makeScanned(), Buffer.alloc(40_000_000, 'All that stands here is harmless. '))
    expect(await work(job, await daemonThat({ says: 'stream: OK\0', saysAfter }))).toBe('retry')
  })

  test('and fails for good after the last attempt, and is never served', async () => {
    const domain = await makeScanned()
    const job = await stored(domain, Buffer.from('abc'))
    for (let attempt = 1; attempt < maxAttempts; attempt++) {
      expect(await work(job, '127.0.0.1:1')).toBe('retry')
      clock += 3600_000
    }
    expect(await work(job, '127.0.0.1:1')).toBe('failed')
    expect(await show(domain, job.id)).toMatchObject({
      status: 'failed',
      attempts: maxAttempts,
      failure: { code: 'attempts-exhausted' },
    })
    await expectShut(domain, job.id)
  })

  test('a finding counts, although the connection breaks behind it', async () => {
    const job = await stored(await makeScanned(), content)
    expect(await work(job, await daemonThat({ says: 'stream: Evil FOUND\0', saysAfter: 100_000 }))).toBe('quarantined')
  })
})

describe('a policy', () => {
  test('may not ask for a scan where there is no daemon', async () => {
    const without = appWith({ env: { CLAMD_HOST: undefined } })
    const answer = await administer('POST', '', { slug: 'unscanned', policy: { steps: [scan()] } }, without)
    const { problems } = expectProblem(answer, 400, 'request-invalid')
    expect(problems).toEqual([{ at: 'json.policy.steps.0.step', message: expect.stringMatching(/CLAMD_HOST/) }])
  })

  test('may not ask for a scan and serve what was not scanned yet', async () => {
    const policy = { steps: [scan()], readBeforeComplete: true }
    const answer = await administer('POST', '', { slug: 'hasty', policy })
    const { problems } = expectProblem(answer, 400, 'request-invalid')
    expect(problems).toMatchObject([{ at: 'json.policy.readBeforeComplete' }])
  })

  test.each([0, 2 ** 31, 1.5, '1', null])('may not have %j as the largest scanned file', async (maxBytes) => {
    const answer = await administer('POST', '', { slug: 'odd', policy: { steps: [scan({ maxBytes })] } })
    const { problems } = expectProblem(answer, 400, 'request-invalid')
    expect(problems).toMatchObject([{ at: 'json.policy.steps.0.options.maxBytes' }])
  })
})

describe('the address of a daemon', () => {
  test.each([
    ['clamd.example.com', { hostname: 'clamd.example.com', port: 3310 }],
    ['127.0.0.1:3311', { hostname: '127.0.0.1', port: 3311 }],
    ['[::1]:3311', { hostname: '[::1]', port: 3311 }],
    ['clamd:65535', { hostname: 'clamd', port: 65_535 }],
    ['clamd:0', null],
    ['clamd:65536', null],
    ['clamd:', null],
    [':3310', null],
    ['', null],
    ['tcp://clamd:3310', null],
    ['::1', null],
    ['a b', null],
  ])('%j', (text, address) => {
    expect(parseAddress(text, 3310)).toEqual(address)
    const deploy = () => depsWith({ env: { CLAMD_HOST: text } })
    if (address) expect(deploy().env.CLAMD_HOST).toEqual(address)
    else expect(deploy).toThrow(/CLAMD_HOST is no address/)
  })
})

describe('what clamd says', () => {
  const whole = (text: string) => ({ text, isWhole: true })

  test.each([
    ['stream: OK\0', 'clean'],
    ['stream: OK', 'unclear'],
    ['stream: ok\0', 'unclear'],
    [' stream: OK\0', 'unclear'],
    ['stream: OK\0\0', 'unclear'],
    ['', 'unclear'],
    ['\0', 'unclear'],
    ['stream: Eicar FOUND\0', 'infected'],
    ['stream: OK FOUND\0', 'infected'],
    ['stream: Eicar FOUND', 'unclear'],
    ['INSTREAM size limit exceeded. ERROR\0', 'unclear'],
    ['stream: Heuristics.Limits.Exceeded FOUND\0', 'unclear'],
    ['stream: Heuristics.Encrypted.Zip FOUND\0', 'infected'],
  ])('%j is %s', (text, kind) => {
    expect(readVerdict(whole(text)).kind).toBe(kind)
    if (kind === 'clean') expect(readVerdict({ text, isWhole: false }).kind).toBe('unclear')
  })

  test('is shown as harmless text', () => {
    const found = readVerdict(whole(`stream: <script>\u0080\n${'x'.repeat(500)} FOUND\0`))
    expect(found).toMatchObject({ kind: 'infected', signature: expect.stringMatching(/^[\w.:/+-]{1,100}$/) })
    const odd = readVerdict(whole(`\x1b[31m\u0080${'x'.repeat(500)}`))
    expect(odd).toMatchObject({ kind: 'unclear', reason: expect.stringMatching(/^[ -~]{1,250}$/) })
  })

  test('of its version is read with and without a database', () => {
    expect(readVersion(whole('ClamAV 1.4.6/27812/Sun Nov 22 09:24:11 2026\0'))).toEqual({
      engine: 'ClamAV 1.4.6',
      signatures: { number: 27812, madeAt: Date.UTC(2026, 10, 22, 9, 24, 11) },
    })
    expect(readVersion(whole('ClamAV 1.4.6/27812/some day\0'))?.signatures).toEqual({ number: 27812, madeAt: null })
    expect(readVersion(whole('ClamAV 1.4.6\0'))).toEqual({ engine: 'ClamAV 1.4.6', signatures: null })
    for (const text of ['', '\0', 'COMMAND UNAVAILABLE', 'ClamAV 1.4.6']) expect(readVersion(whole(text))).toBeNull()
  })
})

if ('missing' in clamav) console.warn(`Left out, scans by a real ClamAV: ${clamav.missing}`)

afterAll(async () => {
  await execute("UPDATE uploaded_files SET status = 'failed' WHERE status = 'pending'")
  await jobsDone()
})
