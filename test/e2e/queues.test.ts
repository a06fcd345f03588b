import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import { noise } from '../support/e2e/bodies.ts'
import { expectStatus, makeDomain, rowOf, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'
import { makeDueNow, reprocess, untilStatus, uploadText, whileRowsAreOutOfReach } from '../support/e2e/uploads.ts'

let worker: LocalWorker
let domain: TestDomain
/** An upload whose job has failed once; its queue waits 20 s before it tries again, while the other tests run. */
let unreachable: string

beforeAll(async () => {
  worker = await startLocalWorker()
  domain = await makeDomain(worker)
  unreachable = await uploadText(worker, domain)
  await failToReach(unreachable)
})

afterAll(() => worker?.stop())

/** What the Worker says of the jobs for an upload that it has run to an end. */
function outcomesOf(id: string) {
  return worker.logged('job-done').flatMap((line) => (line.upload_id === id ? [line.outcome] : []))
}

function jobOf(id: string, generation: number): Job {
  return { kind: 'process', id, domainId: domain.id, generation, publish: 1, bytes: 11 }
}

function objectKeyOf(id: string): string {
  return `${id}/${domain.id}`
}

/** Sets columns of a row, as a crash or the course of time would have left them. */
async function setRow(id: string, columns: string) {
  await worker.env.DB.prepare(`UPDATE uploaded_files SET ${columns} WHERE id = ?`).bind(id).run()
}

/** Has the job for an upload's next generation delivered while its row can't be reached. */
async function failToReach(id: string) {
  await untilStatus(worker, id, 'complete')
  // With no publish due: whatever completes it then is the message itself.
  await setRow(id, `status = 'pending', generation = 2, attempts = 0, next_publish_at = NULL`)
  await whileRowsAreOutOfReach(worker, async () => {
    await worker.env.JOBS.send(jobOf(id, 2))
    await eventually(() =>
      expect(worker.logged('job-not-run')).toContainEqual(expect.objectContaining({ upload_id: id })),
    )
  })
  expect((await rowOf(worker, id)).status).toBe('pending')
}

describe('a job on Cloudflare Queues', () => {
  it('takes an upload to its end, once', async () => {
    const id = await uploadText(worker, domain)
    expect(await untilStatus(worker, id, 'complete')).toEqual(['pending', 'processing', 'complete'])
    await eventually(() => expect(outcomesOf(id)).toEqual(['complete']))
  })

  it('does nothing more when it is delivered again, late, or for a generation that is over', async () => {
    const id = await uploadText(worker, domain)
    await untilStatus(worker, id, 'complete')
    await reprocess(worker, domain, id)
    await untilStatus(worker, id, 'complete')
    const before = await rowOf(worker, id)
    await worker.env.JOBS.send(jobOf(id, 1))
    await worker.env.JOBS.send(jobOf(id, 2))
    await worker.env.JOBS.send(jobOf(id, 3))
    await eventually(() =>
      expect(outcomesOf(id)).toEqual(['complete', 'complete', 'nothing-to-do', 'nothing-to-do', 'nothing-to-do']),
    )
    expect(await rowOf(worker, id)).toEqual(before)
  })

  it('is dropped when it is none, and keeps no other one back', async () => {
    const before = worker.logged('job-not-understood').length
    await worker.env.JOBS.send({ hello: 'world' })
    await worker.env.JOBS.send('text')
    const id = await uploadText(worker, domain)
    await untilStatus(worker, id, 'complete')
    await eventually(() => expect(worker.logged('job-not-understood')).toHaveLength(before + 2))
  })
})

describe('processing', () => {
  it('ends as failed when the stored file is gone', async () => {
    const id = await uploadText(worker, domain)
    await untilStatus(worker, id, 'complete')
    await worker.env.BUCKET.delete(objectKeyOf(id))
    await reprocess(worker, domain, id)
    await untilStatus(worker, id, 'failed')
    const status = (await worker.call('GET', `/v1/uploads/${id}/status`, { host: domain.host })).json()
    expect(status).toMatchObject({ status: 'failed', failure: { code: 'content-missing' }, generation: 2, attempts: 1 })
    expectStatus(await worker.call('GET', `/v1/uploads/${id}/content`, { host: domain.host }), 409)
  })

  it('ends as failed when the stored file is another one', async () => {
    const id = await uploadText(worker, domain, 'What was sent.')
    await untilStatus(worker, id, 'complete')
    await worker.env.BUCKET.put(objectKeyOf(id), 'What was set.!')
    await reprocess(worker, domain, id)
    await untilStatus(worker, id, 'failed')
    expect(await rowOf(worker, id)).toMatchObject({ failure_code: 'content-corrupt' })
  })

  it('goes on after its worker died, when the lease has ended', async () => {
    const id = await uploadText(worker, domain)
    await untilStatus(worker, id, 'complete')
    await setRow(
      id,
      `status = 'processing', generation = 2, attempts = 1, lease_expires_at = 1, next_publish_at = NULL`,
    )
    await worker.runSchedule()
    expect(await rowOf(worker, id)).toMatchObject({
      status: 'pending',
      failure_code: 'attempt-failed',
      lease_expires_at: null,
    })
    // The next attempt is ten seconds away, and its message with it; the schedule finds it when it is due.
    await setRow(id, 'next_attempt_at = 1')
    await makeDueNow(worker, id)
    await worker.runSchedule()
    await untilStatus(worker, id, 'complete')
    expect(await rowOf(worker, id)).toMatchObject({ attempts: 2, failure_code: null })
  })

  it('ends as failed, not stuck, when the worker of the last attempt died', async () => {
    const id = await uploadText(worker, domain)
    await untilStatus(worker, id, 'complete')
    await setRow(
      id,
      `status = 'processing', generation = 2, attempts = 5, lease_expires_at = 1, next_publish_at = NULL`,
    )
    await worker.runSchedule()
    expect(await rowOf(worker, id)).toMatchObject({ status: 'failed', failure_code: 'attempts-exhausted' })
  })
})

describe('the schedule', () => {
  it('publishes what nobody has taken', async () => {
    const id = await uploadText(worker, domain)
    await untilStatus(worker, id, 'complete')
    await setRow(id, `status = 'pending', generation = 2, attempts = 0, publish_count = 1, next_publish_at = 1`)
    await worker.runSchedule()
    await untilStatus(worker, id, 'complete')
    expect(await rowOf(worker, id)).toMatchObject({ publish_count: 2, next_publish_at: null })
  })

  it('gives up an upload that was begun and never ended', async () => {
    const id = '01900000-0000-7000-8000-000000000001'
    const r2Upload = await worker.env.BUCKET.createMultipartUpload(objectKeyOf(id))
    await r2Upload.uploadPart(1, noise(5 * 1024 * 1024))
    const account = `UPDATE domain_accounts SET stored_files = stored_files + 1, stored_bytes = stored_bytes + 9 WHERE domain_id = ?`
    const stored = () =>
      worker.env.DB.prepare('SELECT stored_files, stored_bytes FROM domain_accounts WHERE domain_id = ?')
        .bind(domain.id)
        .first()
    const before = await stored()
    await worker.env.DB.batch([
      worker.env.DB.prepare(account).bind(domain.id),
      worker.env.DB.prepare(
        `INSERT INTO uploaded_files (id, domain_id, object_key, r2_upload_id, filename, type, size, sha256, status, metadata, protocol, last_event, created_at, updated_at)
         VALUES (?, ?, ?, ?, 'begun.bin', 'application/octet-stream', 9, '', 'uploading', '{}', 'raw', 0, 1, 1)`,
      ).bind(id, domain.id, objectKeyOf(id), r2Upload.uploadId),
    ])
    await worker.runSchedule()
    expect(await rowOf(worker, id)).toMatchObject({ status: 'deleted', filename: '', events: ['deleted'] })
    expect(await stored()).toEqual(before)
    expect(worker.r2.multiparts(objectKeyOf(id))).toMatchObject([{ state: 'aborted' }])
  })
})

describe('a job whose row could not be reached', () => {
  it('is delivered again', { timeout: 120_000 }, async () => {
    await untilStatus(worker, unreachable, 'complete', 90_000)
    expect(await rowOf(worker, unreachable)).toMatchObject({ generation: 2, attempts: 1, publish_count: 1 })
    expect(outcomesOf(unreachable)).toEqual(['complete', 'complete'])
  })
})
