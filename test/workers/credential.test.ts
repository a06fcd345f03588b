import { describe, expect, test } from 'vitest'
import { adminToken, call, expectProblem, expectStatus, makeDomain, makeKey } from '../support/workers/client.ts'

describe('GET /v1/credential', () => {
  const ask = (key?: string) => call('GET', 'http://localhost/v1/credential', { key })

  test('describes a key, and the administrator’s token', async () => {
    const domain = await makeDomain()
    const { key } = await makeKey(domain, ['upload', 'read'])
    const answer = await ask(key)
    expectStatus(answer, 200)
    expect(answer.json).toEqual({ kind: 'key', domain: domain.slug, scopes: ['upload', 'read'], expiresAt: null })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect((await ask(adminToken)).json).toEqual({
      kind: 'administrator',
      domain: null,
      scopes: ['upload', 'read', 'delete', 'manage'],
      expiresAt: null,
    })
  })

  test('knows nobody without a credential, or with one that nobody issued', async () => {
    expectProblem(await ask(), 401, 'credential-required')
    expectProblem(await ask('stv_nobody'), 401, 'credential-invalid')
  })
})
