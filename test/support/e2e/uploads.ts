import { expect } from 'vitest'
import { sha256 } from './bodies.ts'
import { expectStatus, rowOf, type TestDomain } from './domains.ts'
import { eventually } from './eventually.ts'
import { adminToken, type LocalWorker } from './local-worker.ts'

const administrator = { authorization: `Bearer ${adminToken}` }

/** Sends a small text file and gives its id. */
export async function uploadText(worker: LocalWorker, domain: TestDomain, content = 'Some text.\n'): Promise<string> {
  const answer = await worker.call('PUT', '/v1/uploads/note.txt', { host: domain.host, body: content })
  expectStatus(answer, 202)
  return answer.json().id
}

/** Sends a finished upload through processing again. */
export async function reprocess(worker: LocalWorker, domain: TestDomain, id: string): Promise<void> {
  const again = await worker.call('POST', `/v1/uploads/${id}/reprocess`, { host: domain.host, headers: administrator })
  expectStatus(again, 202)
}

/** Waits until an upload has this status, and gives the events that led there. */
export function untilStatus(worker: LocalWorker, id: string, status: string, withinMs?: number): Promise<string[]> {
  return eventually(async () => {
    const row = await rowOf(worker, id)
    expect(row.status).toBe(status)
    return row.events
  }, withinMs)
}

/** Waits until a file is complete, and holds what is told of it against these bytes. */
export function untilComplete(worker: LocalWorker, domain: TestDomain, id: string, bytes: Buffer) {
  return eventually(async () => {
    const answer = await worker.call('GET', `/v1/uploads/${id}`, { host: domain.host })
    expect(answer.json()).toMatchObject({ status: 'complete', size: bytes.length, sha256: sha256(bytes) })
    return answer.json()
  })
}

/** The same, and holds its content against them as well. */
export async function expectFile(worker: LocalWorker, domain: TestDomain, id: string, bytes: Buffer) {
  const upload = await untilComplete(worker, domain, id, bytes)
  const content = await worker.call('GET', `/v1/uploads/${id}/content`, { host: domain.host })
  expect(Buffer.compare(content.body, bytes)).toBe(0)
  return upload
}

/** Puts the time at which a row is published again into the past: the wait, without the waiting. */
export async function makeDueNow({ env }: LocalWorker, id: string): Promise<void> {
  await env.DB.prepare('UPDATE uploaded_files SET next_publish_at = 1 WHERE id = ?').bind(id).run()
}

/** Runs `work` while the table of uploaded files can't be reached, as when its database is down. */
export async function whileRowsAreOutOfReach<T>({ env }: LocalWorker, work: () => Promise<T>): Promise<T> {
  await env.DB.prepare('ALTER TABLE uploaded_files RENAME TO out_of_reach').run()
  try {
    return await work()
  } finally {
    await env.DB.prepare('ALTER TABLE out_of_reach RENAME TO uploaded_files').run()
  }
}
