import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { expectStatus } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { KeptServer } from '../support/e2e/kept-server.ts'
import { curl } from '../support/e2e/programs.ts'
import { RawConnection } from '../support/e2e/raw-connection.ts'
import { mebibyte } from '../support/sizes.ts'

const sample = join(import.meta.dirname, '../../samples/harbour.png')

let server: KeptServer

afterAll(() => server?.remove())

async function statusOf(id: string): Promise<string> {
  return (await server.call('GET', `/v1/uploads/${id}/status`)).json().status
}

describe('a server that is stopped and started again', { timeout: 300_000 }, () => {
  it('still has every upload, finishes what it had begun, and gives up what nobody sends on', async () => {
    server = await KeptServer.on('restart')
    await server.start()

    const small = await curl('-F', `f=@${sample}`, `http://${server.host}:${server.port}/v1/uploads`)
    expectStatus(small, 202)
    const large = await server.call('PUT', '/v1/uploads/large.bin', { body: noise(11 * mebibyte) })
    expectStatus(large, 202)
    const complete = [small.json().results[0].upload.id, large.json().id]
    for (const id of complete) await eventually(async () => expect(await statusOf(id)).toBe('complete'))

    const cutOff = await RawConnection.open(server.port)
    await cutOff.sendHead('PUT', '/v1/uploads/cut-off.bin', { Host: server.host, 'Content-Length': 20 * mebibyte })
    await cutOff.send(noise(7 * mebibyte))
    const { r2 } = server
    await eventually(() => expect(r2.multiparts('').filter(({ state }) => state === 'open')).toHaveLength(1))
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        server.call('PUT', `/v1/uploads/last-${index}.txt`, { body: `The last words, number ${index}.` }),
      ),
    )
    // At once: some of these are still waiting for their job.
    await server.stop()
    cutOff.close()
    for (const answer of answers) expectStatus(answer, 202)

    const cutOffRows = server.inDatabase((database) => {
      // What the next minutes would bring: the publishes are due, the dead worker's leases have ended.
      database.exec(`UPDATE uploaded_files SET next_publish_at = 1 WHERE status = 'pending'`)
      database.exec(`UPDATE uploaded_files SET lease_expires_at = 1 WHERE status = 'processing'`)
      // And the next 12 hours, after which nobody may send the large one on.
      return database.prepare(`UPDATE uploaded_files SET created_at = 1 WHERE status = 'uploading'`).run().changes
    })

    expect(cutOffRows).toBe(1)

    await server.start()
    const content = await curl(`http://${server.host}:${server.port}/v1/uploads/${complete[0]}/content`)
    expect(content.body.equals(await readFile(sample))).toBe(true)
    const bytes = await server.call('GET', `/v1/uploads/${complete[1]}/content`)
    expect(sha256(bytes.body)).toBe(sha256(noise(11 * mebibyte)))

    for (const answer of answers) {
      await eventually(async () => {
        expectStatus(await server.runSchedule(), 200)
        expect(await statusOf(answer.json().id)).toBe('complete')
      }, 60_000)
    }
    expect(r2.multiparts('').filter(({ state }) => state === 'open')).toEqual([])
    await server.stop()

    const [account, rows] = server.inDatabase((database) => [
      database.prepare('SELECT stored_files, stored_bytes FROM domain_accounts').get(),
      database
        .prepare('SELECT status, count(*) AS count, sum(size) AS bytes FROM uploaded_files GROUP BY status')
        .all(),
    ])
    const [whole, gone] = rows as { status: string; count: number; bytes: number }[]
    expect(whole).toMatchObject({ status: 'complete', count: 14 })
    expect(gone).toMatchObject({ status: 'deleted', count: 1 })
    expect(account).toEqual({ stored_files: 14, stored_bytes: whole?.bytes })
  })
})
