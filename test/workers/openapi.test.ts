import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createApp } from '../../src/app.ts'
import { errorCodes } from '../../src/core/errors.ts'
import { problems } from '../../src/problem.ts'
import { administer as administerDomain } from '../support/workers/administration.ts'
import {
  type Answer,
  adminToken,
  call,
  completeUpload,
  expectStatus,
  file,
  jobsDone,
  makeDomain,
  makeKey,
  postForm,
  putFile,
  type TestDomain,
  upload,
} from '../support/workers/client.ts'
import { appWith, HeldQueue } from '../support/workers/faults.ts'
import { expectMatches, type Json, methods, operationsOf, withoutReferences } from '../support/workers/openapi.ts'
import { append, begin, begun, complete } from '../support/workers/resumable.ts'
import * as samples from '../support/workers/samples.ts'
import { create, created, patch, tusCall } from '../support/workers/tus.ts'

vi.setConfig({ testTimeout: 30_000 })
afterAll(jobsDone, 120_000)

const asAdmin = { key: adminToken }
const asJson = { 'content-type': 'application/json' }
let document: Json

beforeAll(async () => {
  const answer = await call('GET', 'http://localhost/openapi.json')
  expectStatus(answer, 200)
  document = answer.json
})

/** Answered to machines alone, by the queue's signature; to browsers alone; or this very document. */
const undocumented = [
  ...['POST /internal/jobs', 'POST /internal/jobs/failed'],
  ...['GET /', 'GET /console/{file}', 'GET /docs', 'GET /reference/{file}'],
  'GET /openapi.json',
]

describe('the document', () => {
  test('describes every route, and no other', () => {
    const routes = createApp()
      .routes.filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, '{$1}')}`)
    const described = operationsOf(document).map(({ method, path }) => `${method.toUpperCase()} ${path}`)
    // One address and method may be registered with its middleware first.
    expect([...new Set(routes)].sort()).toEqual([...described, ...undocumented].sort())
    expect(described.length).toBeGreaterThan(10)
  })

  test('is OpenAPI 3.1', () => {
    expect(document.openapi).toBe('3.1.0')
    expect(document.info).toMatchObject({ title: 'Stevedore', version: expect.stringMatching(/./) })
    const known = [
      'openapi',
      'info',
      'jsonSchemaDialect',
      'servers',
      'paths',
      'webhooks',
      'components',
      'security',
      'tags',
      'externalDocs',
    ]
    expect(Object.keys(document).filter((name) => !known.includes(name))).toEqual([])
    for (const [path, item] of Object.entries<Json>(document.paths)) {
      expect(path).toMatch(/^\//)
      expect(
        Object.keys(item).filter((name) => ![...methods, 'parameters', 'summary', 'description'].includes(name)),
      ).toEqual([])
    }
    const names = Object.values<Json>(document.components).flatMap((group) => Object.keys(group))
    for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9._-]+$/)
    for (const requirement of document.security) {
      for (const scheme of Object.keys(requirement)) expect(document.components.securitySchemes).toHaveProperty(scheme)
    }
  })

  test('has a summary, parameters and responses for each operation', () => {
    for (const { method, path, operation } of operationsOf(document)) {
      const place = `${method} ${path}`
      expect(operation.summary, place).toMatch(/^[A-Z]/)
      const parameters: Json[] = operation.parameters ?? []
      const inPath = parameters.filter((parameter) => parameter.in === 'path')
      expect(inPath.map((parameter) => parameter.name).sort(), place).toEqual(
        [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort(),
      )
      for (const parameter of parameters) {
        expect(['path', 'query', 'header', 'cookie'], place).toContain(parameter.in)
        expect(parameter.in !== 'path' || parameter.required === true, place).toBe(true)
        expect('schema' in parameter !== 'content' in parameter, place).toBe(true)
      }
      const keys = parameters.map(({ name, in: where }) => `${where} ${name}`)
      expect(new Set(keys).size, place).toBe(keys.length)
      const statuses = Object.keys(operation.responses)
      expect(
        statuses.some((status) => status.startsWith('2')),
        place,
      ).toBe(true)
      for (const [status, response] of Object.entries<Json>(operation.responses)) {
        expect(status, place).toMatch(/^[1-5](\d\d|XX)$/)
        expect(response.description, place).toMatch(/./)
        for (const media of Object.values<Json>(response.content ?? {})) expect(media, place).toHaveProperty('schema')
        if (Number(status) >= 400) expect(response.content, place).toHaveProperty(['application/problem+json'])
      }
    }
  })

  test('says of a policy’s fields which of them a manager may not set', () => {
    const fields = Object.entries<Json>(document.components.schemas.Domain.properties.policy.properties)
    const administrators = fields.filter(([, field]) => field['x-set-by'] === 'administrator').map(([name]) => name)
    expect(administrators).toEqual(expect.arrayContaining(['quotaBytes', 'historyDays', 'readsPerMinute']))
    expect(administrators).not.toContain('maxFileBytes')
    for (const [name, field] of fields) expect(field.description, name).toMatch(/\.$/)
  })

  test.each(['post /v1/uploads', 'put /v1/uploads/{filename}', 'post /v1/tus', 'post /v1/resumable'])(
    '%s names who is told how the file ends',
    (place) => {
      const { operation } = operationsOf(document).find(({ method, path }) => `${method} ${path}` === place)!
      const headers = operation.parameters.filter((parameter: Json) => parameter.in === 'header')
      expect(headers.map((parameter: Json) => parameter.name)).toContain('X-Callback-URL')
    },
  )

  test('says 429 of whatever a domain’s rates count', () => {
    const counted = operationsOf(document).filter(({ path }) => /^\/v1\/(upload|events)/.test(path))
    expect(counted.length).toBeGreaterThan(8)
    for (const { method, path, operation } of counted) {
      expect(operation.responses, `${method} ${path}`).toHaveProperty('429')
    }
  })

  test('has schemas of JSON Schema 2020-12, whose references all lead somewhere', () => {
    expect(() => withoutReferences(document, document)).not.toThrow()
    const text = JSON.stringify(document)
    // What only OpenAPI 3.0 knew, and what no schema should have become.
    expect(text).not.toMatch(/"nullable"|"exclusiveM(in|ax)imum":(true|false)|"type":"(undefined|any)"|"\$defs":\{\}/)
    const types = [...text.matchAll(/"type":("\w+"|\[[^\]]*\])/g)].flatMap((match) => JSON.parse(match[1]!))
    const known = ['string', 'integer', 'number', 'boolean', 'object', 'array', 'null', 'http']
    expect([...new Set(types)].filter((type) => !known.includes(type))).toEqual([])
  })

  test('lists the error codes that there are, and each of their statuses somewhere', () => {
    expect(document.components.schemas.Problem.properties.code.enum).toEqual(errorCodes)
    const described = new Set(operationsOf(document).flatMap(({ operation }) => Object.keys(operation.responses)))
    const statuses = new Set(Object.values(problems).map(({ status }) => String(status)))
    // Any address answers 405 to another method; no operation describes that.
    expect([...statuses].filter((status) => !described.has(status))).toEqual(['405'])
  })
})

describe('an answer is what the document says', () => {
  let domain: TestDomain
  /** One without uploads: nothing but a test is ever to be sent. */
  let told: TestDomain
  let id: string
  beforeAll(async () => {
    told = await makeDomain()
    domain = await makeDomain()
    id = (await completeUpload(domain, samples.png(4, 3), 'a.png', { headers: { 'content-type': 'image/png' } })).id
  })

  /** Holds an answer against the description of its operation. */
  function expectDescribed(method: string, path: string, answer: Answer) {
    const responses = document.paths[path][method].responses
    expect(Object.keys(responses), answer.text).toContain(String(answer.status))
    const { content } = responses[answer.status]
    const type = answer.headers.get('content-type')?.split(';')[0] ?? ''
    if (!content) return expect(answer.text).toBe('')
    if (!type.endsWith('json')) return
    expect(Object.keys(content)).toContain(type)
    expectMatches(document, content[type].schema, answer.json)
  }

  const administer = async (
    method: string,
    rest: string,
    body?: object,
    of: TestDomain | Promise<TestDomain> = domain,
  ) =>
    call(method, `http://localhost/v1/domains/${(await of).slug}${rest}`, {
      ...asAdmin,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })

  const heldBack = appWith({ deps: () => ({ queue: new HeldQueue() }) })
  const tell = (method: string, path: string, body?: object) =>
    administerDomain(told, method, path, body, { send: heldBack })
  const makeEndpoint = () => tell('POST', '/webhooks', { url: 'https://hooks.example.com/' })
  const atEndpoint = async (method: string, rest: string, body?: object) =>
    tell(method, `/webhooks/${(await makeEndpoint()).json.id}${rest}`, body)

  const calls: [method: string, path: string, status: number, send: () => Promise<Answer>][] = [
    ['post', '/v1/uploads', 202, () => postForm(domain.origin, [file('a', 'abc'), file('b', 'abc')])],
    ['post', '/v1/uploads', 207, () => postForm(domain.origin, [file('a', 'abc'), file('b', 'abc', 'image/png')])],
    ['post', '/v1/uploads', 415, () => postForm(domain.origin, [file('b', 'abc', 'image/png')])],
    ['post', '/v1/uploads', 400, () => postForm(domain.origin, [])],
    ['put', '/v1/uploads/{filename}', 202, () => putFile(domain.origin, 'a', 'abc')],
    [
      'put',
      '/v1/uploads/{filename}',
      422,
      () => putFile(domain.origin, 'a', 'abc', { headers: { 'repr-digest': `sha-256=:${btoa('x'.repeat(32))}:` } }),
    ],
    ['get', '/v1/uploads', 200, () => call('GET', `${domain.origin}/v1/uploads?limit=2`, asAdmin)],
    ['get', '/v1/uploads', 401, () => call('GET', `${domain.origin}/v1/uploads`)],
    ['get', '/v1/uploads', 400, () => call('GET', `${domain.origin}/v1/uploads?limit=x`, asAdmin)],
    ['get', '/v1/uploads/{id}', 200, () => call('GET', `${domain.origin}/v1/uploads/${id}`)],
    ['get', '/v1/uploads/{id}', 404, () => call('GET', `${domain.origin}/v1/uploads/x`)],
    ['get', '/v1/uploads/{id}/status', 200, () => call('GET', `${domain.origin}/v1/uploads/${id}/status`)],
    ['get', '/v1/uploads/{id}/events', 200, () => call('GET', `${domain.origin}/v1/uploads/${id}/events`)],
    [
      'get',
      '/v1/uploads/{id}/status',
      200,
      () => call('GET', `${domain.origin}/v1/uploads/${id}/status?after=1`, { headers: { prefer: 'wait=9' } }),
    ],
    ['get', '/v1/events', 200, () => call('HEAD', `${domain.origin}/v1/events`, asAdmin)],
    ['get', '/v1/events', 400, () => call('GET', `${domain.origin}/v1/events?status=x`, asAdmin)],
    ['get', '/v1/uploads/{id}/history', 200, () => call('GET', `${domain.origin}/v1/uploads/${id}/history`)],
    ['get', '/v1/uploads/{id}/content', 200, () => call('GET', `${domain.origin}/v1/uploads/${id}/content`)],
    [
      'get',
      '/v1/uploads/{id}/content',
      206,
      () => call('GET', `${domain.origin}/v1/uploads/${id}/content`, { headers: { range: 'bytes=0-1' } }),
    ],
    [
      'get',
      '/v1/uploads/{id}/content',
      304,
      () => call('GET', `${domain.origin}/v1/uploads/${id}/content`, { headers: { 'if-none-match': '*' } }),
    ],
    [
      'get',
      '/v1/uploads/{id}/content',
      416,
      () => call('GET', `${domain.origin}/v1/uploads/${id}/content`, { headers: { range: 'bytes=9999-' } }),
    ],
    [
      'get',
      '/v1/uploads/{id}/variants/{name}',
      200,
      async () => {
        const pictures = await makeDomain({
          steps: [{ step: 'image', options: { variants: { thumb: { width: 2 } } } }],
        })
        const made = await completeUpload(pictures, samples.png(4, 3))
        return call('GET', made.variants[0].url)
      },
    ],
    ['get', '/v1/uploads/{id}/variants/{name}', 404, () => call('GET', `${domain.origin}/v1/uploads/${id}/variants/x`)],
    [
      'post',
      '/v1/uploads/{id}/reprocess',
      202,
      () => call('POST', `${domain.origin}/v1/uploads/${id}/reprocess`, asAdmin),
    ],
    [
      'post',
      '/v1/upload-tokens',
      201,
      () => call('POST', `${domain.origin}/v1/upload-tokens`, { ...asAdmin, headers: asJson, body: '{}' }),
    ],
    [
      'post',
      '/v1/upload-tokens',
      401,
      () => call('POST', `${domain.origin}/v1/upload-tokens`, { headers: asJson, body: '{}' }),
    ],
    [
      'post',
      '/v1/uploads/{id}/links',
      201,
      () => call('POST', `${domain.origin}/v1/uploads/${id}/links`, { ...asAdmin, headers: asJson, body: '{}' }),
    ],
    [
      'delete',
      '/v1/uploads/{id}',
      204,
      async () => call('DELETE', `${domain.origin}/v1/uploads/${(await upload(domain, 'abc')).id}`, asAdmin),
    ],
    [
      'post',
      '/v1/domains',
      201,
      () =>
        call('POST', 'http://localhost/v1/domains', {
          ...asAdmin,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ slug: 'described', hostnames: ['described.example'] }),
        }),
    ],
    ['get', '/v1/domains', 200, () => call('GET', 'http://localhost/v1/domains?limit=1', asAdmin)],
    ['get', '/v1/domains/{slug}', 200, () => administer('GET', '')],
    ['get', '/v1/domains/{slug}', 404, () => call('GET', 'http://localhost/v1/domains/nobody', asAdmin)],
    ['patch', '/v1/domains/{slug}', 200, () => administer('PATCH', '', { policy: { quotaFiles: 1000 } })],
    ['patch', '/v1/domains/{slug}', 400, () => administer('PATCH', '', { policy: { quotaFiles: -1 } })],
    ['delete', '/v1/domains/{slug}', 204, () => administer('DELETE', '', undefined, makeDomain())],
    [
      'post',
      '/v1/domains/{slug}/restore',
      200,
      async () => {
        const deleted = await makeDomain()
        await administer('DELETE', '', undefined, deleted)
        return administer('POST', '/restore', undefined, deleted)
      },
    ],
    ['get', '/v1/domains/{slug}/keys', 200, () => administer('GET', '/keys?limit=1')],
    [
      'post',
      '/v1/domains/{slug}/hostnames',
      201,
      () => administer('POST', '/hostnames', { hostname: 'a.own.example' }),
    ],
    [
      'post',
      '/v1/domains/{slug}/hostnames/{hostname}/verify',
      200,
      () => administer('POST', '/hostnames/a.own.example/verify'),
    ],
    ['delete', '/v1/domains/{slug}/hostnames/{hostname}', 204, () => administer('DELETE', '/hostnames/a.own.example')],
    ['post', '/v1/domains', 401, () => call('POST', 'http://localhost/v1/domains')],
    [
      'post',
      '/v1/domains/{slug}/keys',
      201,
      () =>
        call('POST', `http://localhost/v1/domains/${domain.slug}/keys`, {
          ...asAdmin,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ scopes: ['read'] }),
        }),
    ],
    [
      'delete',
      '/v1/domains/{slug}/keys/{keyId}',
      204,
      async () =>
        call(
          'DELETE',
          `http://localhost/v1/domains/${domain.slug}/keys/${(await makeKey(domain, ['read'])).id}`,
          asAdmin,
        ),
    ],
    [
      'get',
      '/v1/domains/{slug}/usage',
      200,
      () => call('GET', `http://localhost/v1/domains/${domain.slug}/usage`, asAdmin),
    ],
    ['get', '/v1/domains/{slug}/usage/daily', 200, () => tell('GET', '/usage/daily?days=2')],
    ['post', '/v1/domains/{slug}/webhooks', 201, makeEndpoint],
    ['post', '/v1/domains/{slug}/webhooks', 422, () => tell('POST', '/webhooks', { url: 'https://10.0.0.1/' })],
    ['get', '/v1/domains/{slug}/webhooks', 200, () => tell('GET', '/webhooks')],
    ['get', '/v1/domains/{slug}/webhooks/{endpointId}', 200, () => atEndpoint('GET', '')],
    ['patch', '/v1/domains/{slug}/webhooks/{endpointId}', 200, () => atEndpoint('PATCH', '', { enabled: false })],
    ['delete', '/v1/domains/{slug}/webhooks/{endpointId}', 204, () => atEndpoint('DELETE', '')],
    ['post', '/v1/domains/{slug}/webhooks/{endpointId}/rotate-secret', 200, () => atEndpoint('POST', '/rotate-secret')],
    ['post', '/v1/domains/{slug}/webhooks/{endpointId}/test', 202, () => atEndpoint('POST', '/test')],
    ['get', '/v1/domains/{slug}/deliveries', 200, () => tell('GET', '/deliveries')],
    [
      'post',
      '/v1/domains/{slug}/deliveries/{deliveryId}/redeliver',
      202,
      async () => tell('POST', `/deliveries/${(await atEndpoint('POST', '/test')).json.id}/redeliver`),
    ],
    ['get', '/v1/domains/{slug}/callback-secret', 200, () => tell('GET', '/callback-secret')],
    ['post', '/v1/domains/{slug}/callback-secret', 201, () => tell('POST', '/callback-secret')],
    [
      'post',
      '/v1/admin/reconcile',
      200,
      () => call('POST', 'http://localhost/v1/admin/reconcile?dry_run=true', asAdmin),
    ],
    ['get', '/v1/admin/dead-letters', 200, () => call('GET', 'http://localhost/v1/admin/dead-letters', asAdmin)],
    ['options', '/v1/tus', 204, () => tusCall('OPTIONS', `${domain.origin}/v1/tus`)],
    ['post', '/v1/tus', 201, () => create(domain.origin, 3)],
    ['post', '/v1/tus', 400, () => tusCall('POST', `${domain.origin}/v1/tus`)],
    ['get', '/v1/tus/{id}', 200, async () => tusCall('GET', await created(domain, 3))],
    ['patch', '/v1/tus/{id}', 204, async () => patch(await created(domain, 3), 0, 'abc')],
    ['patch', '/v1/tus/{id}', 409, async () => patch(await created(domain, 3), 1, 'abc')],
    ['delete', '/v1/tus/{id}', 204, async () => tusCall('DELETE', await created(domain, 3))],
    ['options', '/v1/uploads', 204, () => call('OPTIONS', `${domain.origin}/v1/uploads`)],
    ['options', '/v1/uploads/{filename}', 204, () => call('OPTIONS', `${domain.origin}/v1/uploads/a`)],
    ['options', '/v1/resumable', 204, () => call('OPTIONS', `${domain.origin}/v1/resumable`)],
    ['post', '/v1/uploads', 201, () => call('POST', `${domain.origin}/v1/uploads`, { headers: complete(false) })],
    [
      'post',
      '/v1/uploads',
      202,
      () => call('POST', `${domain.origin}/v1/uploads`, { headers: complete(true), body: 'abc' }),
    ],
    ['put', '/v1/uploads/{filename}', 201, () => putFile(domain.origin, 'a', undefined, { headers: complete(false) })],
    ['post', '/v1/resumable', 201, () => begin(domain.origin, false)],
    ['post', '/v1/resumable', 202, () => begin(domain.origin, true, { body: 'abc' })],
    ['get', '/v1/resumable/{id}', 204, async () => call('GET', await begun(domain))],
    ['patch', '/v1/resumable/{id}', 204, async () => append(await begun(domain), 0, 'abc', false)],
    ['patch', '/v1/resumable/{id}', 202, async () => append(await begun(domain), 0, 'abc', true)],
    ['patch', '/v1/resumable/{id}', 409, async () => append(await begun(domain), 1, 'abc', false)],
    ['delete', '/v1/resumable/{id}', 204, async () => call('DELETE', await begun(domain))],
    ['get', '/v1/credential', 200, () => call('GET', 'http://localhost/v1/credential', asAdmin)],
    ['get', '/healthz', 200, () => call('GET', 'http://localhost/healthz')],
    ['get', '/metrics', 200, () => call('GET', 'http://localhost/metrics', asAdmin)],
  ]

  test.each(calls)('%s %s: %i', async (method, path, status, send) => {
    const answer = await send()
    expectStatus(answer, status)
    expectDescribed(method, path, answer)
  })

  test('and each operation is asked at least once with success', () => {
    const asked = new Set(calls.filter(([, , status]) => status < 300).map(([method, path]) => `${method} ${path}`))
    const rest = operationsOf(document)
      .map(({ method, path }) => `${method} ${path}`)
      .filter((operation) => !asked.has(operation))
    // One needs a step that waits for a processor, the other a job that a queue has given up; see the tests of either.
    expect(rest).toEqual(['post /v1/uploads/{id}/steps/{step}/answer', 'post /v1/admin/dead-letters/{id}/retry'])
  })

  test('and the check itself notices what is missing, wrong or too much', async () => {
    const { json } = await call('GET', `${domain.origin}/v1/uploads/${id}/status`)
    const { schema } = document.paths['/v1/uploads/{id}/status'].get.responses[200].content['application/json']
    expectMatches(document, schema, json)
    const { status: _, ...missing } = json
    for (const wrong of [missing, { ...json, status: 'done' }, { ...json, extra: 1 }, { ...json, attempts: '1' }]) {
      expect(() => expectMatches(document, schema, wrong)).toThrow()
    }
  })
})
