import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { formBody, multipartType, noise, sha256 } from '../support/e2e/bodies.ts'
import { expectStatus, holdings, makeDomain, nothingHeld, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import type { Answer } from '../support/e2e/http.ts'
import type { LocalWorker } from '../support/e2e/local-worker.ts'
import { RawConnection } from '../support/e2e/raw-connection.ts'

const isFull = process.env.STEVEDORE_TEST_FULL === '1'
const mebibyte = 1024 * 1024
const manyBytes = isFull ? 20_000_000 : 6 * mebibyte

let worker: LocalWorker

beforeAll(async () => {
  worker = await startBareWorker()
})

afterAll(() => worker?.stop())

/** Waits until an accepted upload is complete, which it is only if R2 holds what was sent. */
async function expectComplete(domain: TestDomain, id: string, content: Uint8Array) {
  const target = `/v1/uploads/${id}`
  await eventually(async () => {
    const upload = (await worker.call('GET', target, { host: domain.host })).json()
    expect(upload).toMatchObject({ status: 'complete', size: content.length, sha256: sha256(content) })
  }, 120_000)
}

describe('a slow client', () => {
  it('is waited for when it sends a form byte by byte', async () => {
    const domain = await makeDomain(worker)
    const content = Buffer.from('slowly\n'.repeat(20))
    const body = formBody([{ name: 'f', filename: 'slow.txt', type: 'text/plain', content }])
    const connection = await RawConnection.open(worker.port)
    await connection.sendHead('POST', '/v1/uploads', {
      Host: domain.host,
      'Content-Type': multipartType,
      'Content-Length': body.length,
    })
    for (const byte of body) {
      await connection.send(Buffer.of(byte))
      await sleep(1)
    }
    const answer = await connection.answer()
    connection.close()
    expectStatus(answer, 202)
    await expectComplete(domain, answer.json().results[0].upload.id, content)
  })

  it('does not keep others waiting while it pauses in the middle of a part', async () => {
    const domain = await makeDomain(worker)
    const content = noise(12 * mebibyte, 3)
    const slow = await RawConnection.open(worker.port)
    await slow.sendHead('PUT', '/v1/uploads/slow.bin', { Host: domain.host, 'Content-Length': content.length })
    await slow.send(content.subarray(0, 7 * mebibyte))
    await eventually(async () => expect(await holdings(worker, domain)).toMatchObject({ openMultiparts: 1 }))

    const quick = await worker.call('PUT', '/v1/uploads/quick.bin', { host: domain.host, body: noise(6 * mebibyte, 4) })
    expectStatus(quick, 202)
    await expectComplete(domain, quick.json().id, noise(6 * mebibyte, 4))

    await slow.send(content.subarray(7 * mebibyte))
    const answer = await slow.answer()
    slow.close()
    expectStatus(answer, 202)
    await expectComplete(domain, answer.json().id, content)
  })

  // A body is silent when too little of it has come in 60 s: too long for every run.
  it.runIf(isFull)(
    'that falls silent is told so, and nothing of its upload is kept',
    { timeout: 180_000 },
    async () => {
      const domain = await makeDomain(worker)
      const silent = await RawConnection.open(worker.port)
      await silent.sendHead('PUT', '/v1/uploads/silent.bin', { Host: domain.host, 'Content-Length': 20 * mebibyte })
      await silent.send(noise(7 * mebibyte))
      const answer = await silent.answer()
      expectStatus(answer, 408)
      expect(answer.json().code).toBe('body-timeout')
      silent.close()
      await eventually(async () => expect(await holdings(worker, domain)).toEqual(nothingHeld))
    },
  )
})

describe('uploads at once', () => {
  it('two to one domain, piece by piece in turns, do not mix', async () => {
    const domain = await makeDomain(worker)
    const contents = [noise(11 * mebibyte, 5), noise(11 * mebibyte, 6)]
    const connections = await Promise.all(contents.map(() => RawConnection.open(worker.port)))
    for (const [index, connection] of connections.entries()) {
      const content = contents[index] as Buffer
      await connection.sendHead('PUT', '/v1/uploads/twin.bin', { Host: domain.host, 'Content-Length': content.length })
    }
    for (let at = 0; at < 11 * mebibyte; at += 300_001) {
      for (const [index, connection] of connections.entries()) {
        await connection.send((contents[index] as Buffer).subarray(at, at + 300_001))
      }
    }
    for (const [index, connection] of connections.entries()) {
      const answer = await connection.answer()
      connection.close()
      expectStatus(answer, 202)
      await expectComplete(domain, answer.json().id, contents[index] as Buffer)
    }
    expect(await holdings(worker, domain)).toMatchObject({ storedFiles: 2, storedBytes: 22 * mebibyte, objects: 2 })
  })

  it(`64 of ${manyBytes} bytes are each complete with their own bytes, or refused with a time to come back`, {
    timeout: 300_000,
  }, async () => {
    const domain = await makeDomain(worker)
    const common = noise(manyBytes)
    // One common body with a mark of its own at its end keeps the test itself small.
    const contents = Array.from({ length: 64 }, (_, index) => [common, Buffer.from(`mark ${index}`)])
    const answers = await Promise.all(
      contents.map(([content, mark]) =>
        worker.call('PUT', '/v1/uploads/one-of-many.bin', {
          host: domain.host,
          headers: { 'content-length': String((content as Buffer).length + (mark as Buffer).length) },
          body: [content as Buffer, mark as Buffer],
        }),
      ),
    )
    const accepted = answers.flatMap((answer, index) => (answer.status === 202 ? [{ answer, index }] : []))
    const refused = answers.filter((answer) => answer.status !== 202)
    for (const answer of refused) expectBusy(answer)
    // The pool holds eight parts at once, so at the very least those get through.
    expect(accepted.length).toBeGreaterThanOrEqual(8)
    for (const { answer, index } of accepted) {
      await expectComplete(domain, answer.json().id, Buffer.concat(contents[index] as Buffer[]))
    }
    await eventually(async () =>
      expect(await holdings(worker, domain)).toEqual({
        storedFiles: accepted.length,
        storedBytes: accepted.reduce((sum, { answer }) => sum + answer.json().size, 0),
        rows: { complete: accepted.length },
        objects: accepted.length,
        openMultiparts: 0,
      }),
    )
  })
})

function expectBusy(answer: Answer) {
  expectStatus(answer, 503)
  expect(answer.json().code).toBe('busy')
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
}
