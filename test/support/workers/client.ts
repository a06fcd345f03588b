import { env, exports } from 'cloudflare:workers'
import { Buffer } from 'node:buffer'
import { expect } from 'vitest'
import type { Scope } from '../../../src/core/access.ts'
import type { ErrorCode } from '../../../src/core/errors.ts'
import { problems } from '../../../src/problem.ts'
import { type FormPart, formBody, multipartType } from '../e2e/bodies.ts'
import { eventually } from '../e2e/eventually.ts'

/** What the tests configure as the administrator's token. */
export const adminToken = 'test-admin-token'

/** Something that answers requests: the Worker itself, or an app with a fault in it. */
export type Send = (request: Request) => Promise<Response>

export const toWorker: Send = (request) => exports.default.fetch(request)

export interface Call {
  headers?: Record<string, string>
  body?: Uint8Array | string | ReadableStream
  /** Sent as `Authorization: Bearer`. */
  key?: string | undefined
  send?: Send
}

export interface Answer {
  status: number
  headers: Headers
  bytes: Uint8Array
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of any shape
  json: any
}

/** One request, with its answer read to the end. */
export async function call(method: string, url: string, { headers = {}, body, key, send = toWorker }: Call = {}) {
  const request = new Request(url, {
    method,
    headers: key === undefined ? headers : { ...headers, authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { body }),
    redirect: 'manual',
  })
  return readAnswer(await send(request))
}

export async function readAnswer(response: Response): Promise<Answer> {
  const bytes = new Uint8Array(await response.arrayBuffer())
  const text = Buffer.from(bytes).toString('utf8')
  const isJson = text !== '' && /[/+]json\b/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  }
}

/** Bytes without a length that is known beforehand, in pieces of `pieceBytes`. */
export function chunkedBody(bytes: Uint8Array, pieceBytes = 16 * 1024): ReadableStream {
  let at = 0
  return new ReadableStream({
    type: 'bytes',
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      // A copy of its own: the stream takes the piece's whole memory.
      controller.enqueue(Uint8Array.from(bytes.subarray(at, at + pieceBytes)))
      at += pieceBytes
    },
  })
}

let made = 0

/** A domain that a test made for itself. */
export interface TestDomain {
  id: string
  slug: string
  /** `http://<slug>.localhost`. */
  origin: string
  policy: Record<string, unknown>
}

/** Files of a policy that takes no larger ones are written in parts of 5 MiB. */
const maxFileBytes = 32 * 1024 * 1024

/** Makes a domain with a slug of its own. Anybody may upload to it and read from it unless `policy` says otherwise. */
export async function makeDomain(policy: Record<string, unknown> = {}, hostnames: string[] = []): Promise<TestDomain> {
  const slug = `domain-${++made}`
  const answer = await call('POST', 'http://localhost/v1/domains', {
    key: adminToken,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      slug,
      hostnames,
      policy: { maxFileBytes, anonymousUpload: true, publicRead: true, ...policy },
    }),
  })
  expectStatus(answer, 201)
  return { id: answer.json.id, slug, origin: `http://${slug}.localhost`, policy: answer.json.policy }
}

export async function makeKey(
  domain: TestDomain,
  scopes: Scope[],
  expiresAt: string | null = null,
): Promise<{ id: string; key: string }> {
  const answer = await call('POST', `http://localhost/v1/domains/${domain.slug}/keys`, {
    key: adminToken,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ label: 'test', scopes, expiresAt }),
  })
  expectStatus(answer, 201)
  return { id: answer.json.id, key: answer.json.key }
}

export const revokeKey = (domain: TestDomain, keyId: string) =>
  call('DELETE', `http://localhost/v1/domains/${domain.slug}/keys/${keyId}`, { key: adminToken })

/** Sends a form; `to` is an origin, or an origin with a query. */
export function postForm(to: string, parts: readonly FormPart[], { headers = {}, ...options }: Call = {}) {
  const url = new URL('/v1/uploads', to)
  url.search = new URL(to).search
  return call('POST', url.href, {
    body: formBody(parts),
    ...options,
    headers: { 'content-type': multipartType, ...headers },
  })
}

export const putFile = (origin: string, filename: string, body: Call['body'], options: Call = {}) =>
  call('PUT', `${origin}/v1/uploads/${encodeURIComponent(filename)}`, {
    ...options,
    ...(body === undefined ? {} : { body }),
  })

export const file = (filename: string, content: Uint8Array | string, type?: string, headers?: string[]): FormPart => ({
  name: 'file',
  filename,
  content,
  ...(type === undefined ? {} : { type }),
  ...(headers === undefined ? {} : { headers }),
})

export const field = (name: string, content: string | Uint8Array): FormPart => ({ name, content })

/** Stores one file and gives its upload back. */
export async function upload(
  domain: TestDomain,
  content: Uint8Array | string,
  filename = 'file.bin',
  options: Call = {},
) {
  const answer = await putFile(domain.origin, filename, content, options)
  expectStatus(answer, 202)
  return answer.json
}

/** Waits until the Worker's own queue has brought the file to this status. */
export async function waitForStatus(domain: TestDomain, id: string, status = 'complete') {
  return eventually(async () => {
    const answer = await call('GET', `${domain.origin}/v1/uploads/${id}`, { key: adminToken })
    expect(answer.json.status).toBe(status)
    return answer.json
  }, 10_000)
}

/** Stores one file and waits until its processing has ended well. */
export async function completeUpload(
  domain: TestDomain,
  content: Uint8Array | string,
  filename?: string,
  options?: Call,
) {
  const { id } = await upload(domain, content, filename, options)
  return waitForStatus(domain, id)
}

/** Waits until the Worker's own queue has nothing left to deliver: a file of tests must not end under a running job. */
export async function jobsDone(): Promise<void> {
  await eventually(async () => {
    expect(await allRows("SELECT id FROM uploaded_files WHERE status IN ('pending', 'processing')")).toEqual([])
  }, 110_000)
}

/** Fails with the answer's own text when it has another status than this. */
export function expectStatus(answer: Pick<Answer, 'status' | 'text'>, status: number): void {
  expect(answer.status, answer.text).toBe(status)
}

/** Holds a refusal against what every refusal has to be, and gives its document back. */
export function expectProblem(answer: Answer, status: number, code: string) {
  expect({ status: answer.status, code: answer.json?.code }, answer.text).toEqual({ status, code })
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.json).toMatchObject({
    type: problems[code as ErrorCode].type ?? `urn:stevedore:problem:${code}`,
    status,
    title: expect.stringMatching(/./),
    detail: expect.stringMatching(/./),
    requestId: answer.headers.get('x-request-id'),
  })
  return answer.json
}

/** What a domain holds anywhere: in its account, in its rows that are not deleted, and in R2, finished or not. */
export async function holdings(domain: { id: string }) {
  const account = await env.DB.prepare('SELECT stored_files, stored_bytes FROM domain_accounts WHERE domain_id = ?')
    .bind(domain.id)
    .first<{ stored_files: number; stored_bytes: number }>()
  const rows = await allRows<{ status: string; size: number }>(
    "SELECT status, size FROM uploaded_files WHERE domain_id = ? AND status <> 'deleted'",
    domain.id,
  )
  const uploads = await allRows<{ object_key: string; r2_upload_id: string }>(
    'SELECT object_key, r2_upload_id FROM uploaded_files WHERE domain_id = ? AND r2_upload_id IS NOT NULL',
    domain.id,
  )
  const open = await Promise.all(uploads.map((row) => isOpenMultipart(row.object_key, row.r2_upload_id)))
  return {
    storedFiles: account?.stored_files,
    storedBytes: account?.stored_bytes,
    rows: rows.length,
    rowBytes: rows.reduce((sum, row) => sum + row.size, 0),
    objects: (await objectKeys()).filter((key) => key.endsWith(`/${domain.id}`)).length,
    openMultiparts: open.filter(Boolean).length,
  }
}

export const nothingHeld = { storedFiles: 0, storedBytes: 0, rows: 0, rowBytes: 0, objects: 0, openMultiparts: 0 }

/** What a domain holds with these files and nothing half done. */
export function heldExactly(...sizes: number[]) {
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  const count = sizes.length
  return { storedFiles: count, storedBytes: bytes, rows: count, rowBytes: bytes, objects: count, openMultiparts: 0 }
}

/** Whether R2 would still take a part for this upload: it answers 10024 for one that was completed or aborted. */
export async function isOpenMultipart(key: string, r2UploadId: string): Promise<boolean> {
  try {
    await env.BUCKET.resumeMultipartUpload(key, r2UploadId).uploadPart(9999, new Uint8Array(1))
    return true
  } catch (error) {
    expect(String(error)).toContain('10024')
    return false
  }
}

export async function objectKeys(): Promise<string[]> {
  const keys: string[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await env.BUCKET.list(cursor ? { cursor } : {})
    keys.push(...page.objects.map((object) => object.key))
    if (!page.truncated) return keys
    cursor = page.cursor
  }
}

export async function allRows<Row>(sql: string, ...values: unknown[]): Promise<Row[]> {
  return (
    await env.DB.prepare(sql)
      .bind(...values)
      .all<Row>()
  ).results
}

export async function execute(sql: string, ...values: unknown[]): Promise<void> {
  await env.DB.prepare(sql)
    .bind(...values)
    .run()
}

/** The row of an upload, and the kinds of its events, whose numbers must have no gap. */
export async function rowOf(id: string) {
  const [row] = await allRows<Record<string, unknown>>('SELECT * FROM uploaded_files WHERE id = ?', id)
  const events = await allRows<{ number: number; kind: string; generation: number }>(
    'SELECT number, kind, generation FROM file_events WHERE file_id = ? ORDER BY number',
    id,
  )
  expect(events.map((event) => event.number)).toEqual(events.map((_, index) => index + 1))
  expect(row?.last_event ?? 0).toBe(events.length)
  return { ...row, events: events.map((event) => event.kind) } as Record<string, unknown> & { events: string[] }
}
