import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test, vi } from 'vitest'
import { createApp } from '../../src/app.ts'
import { type Scope, scopes } from '../../src/core/access.ts'
import {
  adminToken,
  type Call,
  call,
  execute,
  expectStatus,
  makeDomain,
  makeKey,
  putFile,
  revokeKey,
  type Send,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, HeldQueue } from '../support/workers/faults.ts'
import { methods } from '../support/workers/openapi.ts'
import { begun, complete } from '../support/workers/resumable.ts'
import { askForToken } from '../support/workers/tokens.ts'
import { created, idOf, tusResumable } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 60_000 })

/** Nothing here is about processing. */
const app = appWith({ deps: () => ({ queue: new HeldQueue() }) })
/** A stream has no end to wait for: its head says who may read it. */
const send: Send = async (request) => {
  const answer = await app(request)
  if (answer.headers.get('content-type') !== 'text/event-stream') return answer
  await answer.body?.cancel()
  return new Response(null, answer)
}
const apex = 'http://localhost'
const json = { 'content-type': 'application/json' }

/** Who asks. All but the administrator and the stranger's two have something of the domain that is asked for. */
const credentials = [
  'none',
  'garbage',
  'expired key',
  'revoked key',
  'key without the scope',
  "another domain's key",
  "another domain's token",
  'own upload token',
  'own read token',
  'key with the scope',
  'administrator',
] as const
type CredentialName = (typeof credentials)[number]

/** Whose thing is asked for. */
const targets = ['own', "another domain's", 'unknown'] as const
type Target = (typeof targets)[number]

/** The statuses for `own`, `another domain's` and `unknown`; one alone is all three, or the only one. */
type Cells = Record<CredentialName, string>

interface Row {
  /** The scope a key needs; null where no key is enough. */
  scope: Scope | null
  /** What is asked for: a thing that has an id, a domain by its slug, or nothing that belongs to anybody. */
  of: 'file' | 'tus upload' | 'resumable upload' | 'domain' | 'nothing'
  request?(): Omit<Call, 'key' | 'send'>
  cells: Cells
}

const file = (scope: Scope, right: string): Row => ({
  scope,
  of: 'file',
  cells: {
    none: '401',
    garbage: '401',
    'expired key': '401',
    'revoked key': '401',
    'key without the scope': '403',
    "another domain's key": '401',
    "another domain's token": '401',
    'own upload token': '403',
    'own read token': '403',
    'key with the scope': right,
    administrator: right,
  },
})

const administratorOnly = (right: string): Row => ({
  scope: null,
  of: 'nothing',
  cells: {
    none: '401',
    garbage: '401',
    'expired key': '401',
    'revoked key': '401',
    'key without the scope': '403',
    "another domain's key": '403',
    "another domain's token": '403',
    'own upload token': '403',
    'own read token': '403',
    'key with the scope': '403',
    administrator: right,
  },
})

/** What a domain's manager may do, and to its own domain only: every other slug is the same 403, whether it is one or not. */
const managers = (own: string, rest = `${own} 404`): Row => ({
  scope: 'manage',
  of: 'domain',
  cells: {
    ...administratorOnly('').cells,
    "another domain's key": `403 ${own} 403`,
    'key with the scope': `${own} 403 403`,
    administrator: `${own} ${rest}`,
  },
})

/** What only the administrator may do to a domain. */
const administratorOfDomain = (right: string): Row => ({ ...administratorOnly(right), of: 'domain' })

const open = (status: string): Row => ({
  scope: null,
  of: 'nothing',
  cells: Object.fromEntries(credentials.map((name) => [name, status])) as Cells,
})

/** What a read token reads as well: its own file, and no other. */
const readable: Row = {
  ...file('read', '200 404 404'),
  cells: { ...file('read', '200 404 404').cells, 'own read token': '200 403 403' },
}

/** What an upload token does as well. */
const uploading: Row = {
  ...file('upload', '202'),
  of: 'nothing',
  cells: { ...file('upload', '202').cells, 'own upload token': '202' },
}

/** What needs no credential still refuses one that nobody issued. */
const unknownOnes = { garbage: '401', 'expired key': '401', 'revoked key': '401' }
const openToStrangers: Row = { ...open('204'), cells: { ...open('204').cells, ...unknownOnes } }

/** Whoever may upload to the domain may go on with an upload in it. */
const resumable = (of: 'tus upload' | 'resumable upload', right: string, request: Row['request']): Row => ({
  ...file('upload', right),
  of,
  cells: { ...file('upload', right).cells, 'own upload token': right },
  ...(request ? { request } : {}),
})

let made = 0

const body = (value: unknown) => () => ({ headers: json, body: JSON.stringify(value) })

/** Every route, and what comes of it for whom. The domain is closed: nothing in it is public. */
const table: Record<string, Row> = {
  'POST /v1/uploads': {
    ...uploading,
    request: () => ({
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: '--x\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\nabc\r\n--x--\r\n',
    }),
  },
  'PUT /v1/uploads/{filename}': { ...uploading, request: () => ({ body: 'abc' }) },
  'GET /v1/uploads': { ...file('read', '200'), of: 'nothing' },
  'GET /v1/uploads/{id}': readable,
  'GET /v1/uploads/{id}/status': readable,
  'GET /v1/uploads/{id}/history': readable,
  'GET /v1/uploads/{id}/events': readable,
  'GET /v1/events': { ...file('read', '200'), of: 'nothing' },
  'GET /v1/uploads/{id}/content': readable,
  'GET /v1/uploads/{id}/variants/{name}': readable,
  'DELETE /v1/uploads/{id}': file('delete', '204 404 404'),
  'POST /v1/uploads/{id}/reprocess': file('upload', '202 404 404'),
  // Only the token that is given out with the question answers it; see http-step.test.ts.
  'POST /v1/uploads/{id}/steps/{step}/answer': { ...file('manage', '403'), request: body({ result: {} }) },
  'POST /v1/uploads/{id}/links': { ...file('read', '201 404 404'), request: body({}) },
  'POST /v1/upload-tokens': { ...file('upload', '201'), of: 'nothing', request: body({}) },
  // It says nothing but what the asker holds in his hands.
  'GET /v1/credential': { ...open('200'), cells: { ...open('200').cells, none: '401', ...unknownOnes } },
  'OPTIONS /v1/tus': openToStrangers,
  'POST /v1/tus': {
    ...uploading,
    cells: { ...file('upload', '201').cells, 'own upload token': '201' },
    request: () => ({ headers: { ...tusResumable, 'upload-length': '3' } }),
  },
  'GET /v1/tus/{id}': resumable('tus upload', '200 404 404', () => ({ headers: tusResumable })),
  'PATCH /v1/tus/{id}': resumable('tus upload', '204 404 404', () => ({
    headers: { ...tusResumable, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' },
    body: 'abc',
  })),
  'DELETE /v1/tus/{id}': resumable('tus upload', '204 404 404', () => ({ headers: tusResumable })),
  'OPTIONS /v1/uploads': openToStrangers,
  'OPTIONS /v1/uploads/{filename}': openToStrangers,
  'OPTIONS /v1/resumable': openToStrangers,
  'POST /v1/resumable': {
    ...uploading,
    cells: { ...file('upload', '201').cells, 'own upload token': '201' },
    request: () => ({ headers: complete(false) }),
  },
  'GET /v1/resumable/{id}': resumable('resumable upload', '204 404 404', undefined),
  'PATCH /v1/resumable/{id}': resumable('resumable upload', '204 404 404', () => ({
    headers: { ...complete(false), 'upload-offset': '0', 'content-type': 'application/partial-upload' },
    body: 'abc',
  })),
  'DELETE /v1/resumable/{id}': resumable('resumable upload', '204 404 404', undefined),
  'POST /v1/domains': {
    ...administratorOnly('201'),
    request: () => ({ headers: json, body: JSON.stringify({ slug: `made-${++made}` }) }),
  },
  'GET /v1/domains': administratorOnly('200'),
  'GET /v1/domains/{slug}': managers('200'),
  'PATCH /v1/domains/{slug}': { ...managers('200'), request: body({ policy: { maxFileBytes: 1 } }) },
  'DELETE /v1/domains/{slug}': administratorOfDomain('204 204 404'),
  'POST /v1/domains/{slug}/restore': administratorOfDomain('200 200 404'),
  'GET /v1/domains/{slug}/usage': managers('200'),
  'GET /v1/domains/{slug}/usage/daily': managers('200'),
  'GET /v1/domains/{slug}/keys': managers('200'),
  'POST /v1/domains/{slug}/keys': { ...managers('201'), request: body({ scopes: ['read'] }) },
  'DELETE /v1/domains/{slug}/keys/{keyId}': managers('404', '404 404'),
  'POST /v1/domains/{slug}/hostnames': {
    ...managers('201'),
    request: () => ({ headers: json, body: JSON.stringify({ hostname: `made-${++made}.example` }) }),
  },
  'DELETE /v1/domains/{slug}/hostnames/{hostname}': managers('404', '404 404'),
  'POST /v1/domains/{slug}/hostnames/{hostname}/verify': managers('404', '404 404'),
  'GET /v1/domains/{slug}/webhooks': managers('200'),
  'POST /v1/domains/{slug}/webhooks': { ...managers('201'), request: body({ url: 'https://hooks.example.com/' }) },
  'GET /v1/domains/{slug}/webhooks/{endpointId}': managers('404', '404 404'),
  'PATCH /v1/domains/{slug}/webhooks/{endpointId}': { ...managers('404', '404 404'), request: body({ enabled: true }) },
  'DELETE /v1/domains/{slug}/webhooks/{endpointId}': managers('404', '404 404'),
  'POST /v1/domains/{slug}/webhooks/{endpointId}/rotate-secret': managers('404', '404 404'),
  'POST /v1/domains/{slug}/webhooks/{endpointId}/test': managers('404', '404 404'),
  'GET /v1/domains/{slug}/deliveries': managers('200'),
  'POST /v1/domains/{slug}/deliveries/{deliveryId}/redeliver': managers('404', '404 404'),
  'GET /v1/domains/{slug}/callback-secret': managers('200'),
  'POST /v1/domains/{slug}/callback-secret': managers('201'),
  'POST /v1/admin/reconcile': administratorOnly('200'),
  'GET /v1/admin/dead-letters': administratorOnly('200'),
  'POST /v1/admin/dead-letters/{id}/retry': administratorOnly('404'),
  'GET /metrics': administratorOnly('200'),
  'POST /internal/jobs': open('404'),
  'POST /internal/jobs/failed': open('404'),
  'GET /healthz': open('200'),
  'GET /': open('200'),
  'GET /console/{file}': open('404'),
  'GET /docs': open('200'),
  'GET /reference/{file}': open('404'),
  'GET /openapi.json': open('200'),
}

test('every route has its row, and every row its route', () => {
  const routes = createApp()
    .routes.filter(({ method }) => methods.includes(method.toLowerCase()))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, '{$1}')}`)
  expect([...new Set(routes)].sort()).toEqual(Object.keys(table).sort())
})

describe.each(Object.entries(table))('%s', (route, row) => {
  test.each(credentials)('with %s', async (name) => {
    const [own, other] = [await makeClosedDomain(), await makeClosedDomain()]
    const credential = await credentialOf(name, row.scope, own, other)
    const outcomes: string[] = []
    for (const target of row.of === 'nothing' ? (['own'] as const) : targets) {
      const url = await addressOf(route, row, target, own, other, credential.fileId)
      const [method = ''] = route.split(' ')
      outcomes.push(String((await call(method, url, { ...row.request?.(), key: credential.key, send })).status))
    }
    const expected = row.cells[name].split(' ')
    expect(outcomes).toEqual(outcomes.map((_, index) => expected[index] ?? expected[0]))
  })
})

function makeClosedDomain(): Promise<TestDomain> {
  return makeDomain({ anonymousUpload: false, publicRead: false })
}

/** What is sent as the bearer token, and the file it was made for, if it was made for one. */
async function credentialOf(
  name: CredentialName,
  needed: Scope | null,
  own: TestDomain,
  other: TestDomain,
): Promise<{ key: string | undefined; fileId?: string }> {
  switch (name) {
    case 'none':
      return { key: undefined }
    case 'garbage':
      return { key: 'nobody-issued-me' }
    case 'administrator':
      return { key: adminToken }
    case 'expired key': {
      const { id, key } = await makeKey(own, [...scopes])
      await execute('UPDATE api_keys SET expires_at = 1 WHERE id = ?', id)
      return { key }
    }
    case 'revoked key': {
      const { id, key } = await makeKey(own, [...scopes])
      expectStatus(await revokeKey(own, id), 204)
      return { key }
    }
    case 'key without the scope':
      return makeKey(
        own,
        scopes.filter((scope) => scope !== needed),
      )
    case "another domain's key":
      return makeKey(other, [...scopes])
    case "another domain's token":
      return { key: await makeUploadToken(other) }
    case 'own upload token':
      return { key: await makeUploadToken(own) }
    case 'own read token': {
      const answer = await putFile(own.origin, 'a.txt', 'abc', { send, key: await makeUploadToken(own) })
      await finish(answer.json.id)
      return { key: answer.json.readToken, fileId: answer.json.id }
    }
    case 'key with the scope':
      return makeKey(own, needed === null ? [...scopes] : [needed])
  }
}

async function makeUploadToken(domain: TestDomain): Promise<string> {
  const answer = await askForToken(domain)
  expectStatus(answer, 201)
  return answer.json.token
}

/** The address of a route, asked for at the domain's own host where it has one there. */
async function addressOf(
  route: string,
  row: Row,
  target: Target,
  own: TestDomain,
  other: TestDomain,
  ownFileId: string | undefined,
): Promise<string> {
  const path = (route.split(' ')[1] as string)
    .replace('{filename}', 'a.txt')
    .replace(/\{(key|endpoint|delivery)Id\}/, uuidv7())
    .replace('{name}', 'thumb')
    .replace('{file}', 'nothing.js')
    .replace('{hostname}', 'nobody.example')
  const origin = /^\/v1\/(upload|events|tus|resumable)/.test(path) ? own.origin : apex
  const holder = { own, "another domain's": other, unknown: null }[target]
  if (row.of === 'domain') return origin + path.replace('{slug}', holder?.slug ?? 'nobody')
  if (row.of === 'nothing' || !holder) return origin + path.replace('{id}', uuidv7())
  const asAdmin = { send, key: adminToken }
  if (row.of === 'tus upload') return origin + path.replace('{id}', idOf(await created(holder, 3, asAdmin)))
  if (row.of === 'resumable upload') return origin + path.replace('{id}', idOf(await begun(holder, 3, asAdmin)))
  return origin + path.replace('{id}', (holder === own ? ownFileId : undefined) ?? (await completeFile(holder)))
}

/** A file whose processing has ended; nothing here waits for a queue. */
async function completeFile(domain: TestDomain): Promise<string> {
  const answer = await putFile(domain.origin, 'a.txt', 'abc', { send, key: adminToken })
  expectStatus(answer, 202)
  await finish(answer.json.id)
  return answer.json.id
}

async function finish(id: string): Promise<void> {
  await execute("UPDATE uploaded_files SET status = 'complete', next_publish_at = NULL WHERE id = ?", id)
  await execute(
    `INSERT INTO file_variants
      SELECT id, 'thumb', 'image', object_key, 'image/webp', size, sha256, 1, 1 FROM uploaded_files WHERE id = ?`,
    id,
  )
}
