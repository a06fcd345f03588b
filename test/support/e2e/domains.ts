import { expect } from 'vitest'
import type { Answer } from './http.ts'
import { adminToken, type LocalWorker } from './local-worker.ts'

/** A domain that a test made for itself. */
export interface TestDomain {
  id: string
  slug: string
  /** `<slug>.localhost`. */
  host: string
}

let made = 0

/** Makes a domain with a slug of its own. Anybody may upload to it and read from it unless `policy` says otherwise. */
export async function makeDomain(
  worker: LocalWorker,
  policy: Record<string, unknown> = {},
  hostnames: string[] = [],
): Promise<TestDomain> {
  const slug = `domain-${++made}`
  const answer = await worker.call('POST', '/v1/domains', {
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ slug, hostnames, policy: { anonymousUpload: true, publicRead: true, ...policy } }),
  })
  expect(answer.status, answer.body.toString()).toBe(201)
  return { id: answer.json().id, slug, host: `${slug}.localhost` }
}

/** What a domain holds anywhere: in its account, in its rows that are not deleted, and in R2, finished or not. */
export async function holdings({ env, r2 }: LocalWorker, domain: TestDomain) {
  const account = await env.DB.prepare('SELECT stored_files, stored_bytes FROM domain_accounts WHERE domain_id = ?')
    .bind(domain.id)
    .first<{ stored_files: number; stored_bytes: number }>()
  const { results: rows } = await env.DB.prepare(
    `SELECT status, count(*) AS count FROM uploaded_files WHERE domain_id = ? AND status <> 'deleted' GROUP BY status`,
  )
    .bind(domain.id)
    .all<{ status: string; count: number }>()
  return {
    storedFiles: account?.stored_files,
    storedBytes: account?.stored_bytes,
    rows: Object.fromEntries(rows.map(({ status, count }) => [status, count])),
    objects: (await objectKeys(env.BUCKET)).filter((key) => key.endsWith(`/${domain.id}`)).length,
    openMultiparts: r2.multiparts(`/${domain.id}`).filter((upload) => upload.state === 'open').length,
  }
}

export const nothingHeld = { storedFiles: 0, storedBytes: 0, rows: {}, objects: 0, openMultiparts: 0 }

async function objectKeys(bucket: R2Bucket): Promise<string[]> {
  const keys: string[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await bucket.list(cursor ? { cursor } : {})
    keys.push(...page.objects.map((object) => object.key))
    if (!page.truncated) return keys
    cursor = page.cursor
  }
}

/** The row of an upload, with the kinds of its events in the order of their numbers. */
export async function rowOf({ env }: LocalWorker, id: string) {
  const row = await env.DB.prepare('SELECT * FROM uploaded_files WHERE id = ?')
    .bind(id)
    .first<Record<string, unknown>>()
  const { results } = await env.DB.prepare('SELECT number, kind FROM file_events WHERE file_id = ? ORDER BY number')
    .bind(id)
    .all<{ number: number; kind: string }>()
  expect(results.map((event) => event.number)).toEqual(results.map((_, index) => index + 1))
  return { ...row, events: results.map((event) => event.kind) } as Record<string, unknown> & { events: string[] }
}

/** Fails with the problem document when an answer has another status than this. */
export function expectStatus(answer: Pick<Answer, 'status' | 'body'>, status: number): void {
  expect(answer.status, answer.body.toString()).toBe(status)
}
