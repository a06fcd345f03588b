import { describe, expect, test } from 'vitest'
import { adminToken, call, expectProblem, expectStatus, makeDomain, makeKey } from '../support/workers/client.ts'

describe('GET /v1/credential', () => {
  const ask = (key?: string, origin = 'http://localhost') => call('GET', `${origin}/v1/credential`, { key })

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

  test('knows on a domain’s own host what was issued for that domain, and nothing else', async () => {
    const [domain, other] = [await makeDomain(), await makeDomain()]
    const { key } = await makeKey(domain, ['read'])
    const answer = await ask(key, domain.origin)
    expectStatus(answer, 200)
    expect(answer.json).toMatchObject({ kind: 'key', domain: domain.slug })
    expectProblem(await ask(key, other.origin), 401, 'credential-invalid')
    expectProblem(await ask(adminToken, domain.origin), 401, 'credential-invalid')
    expectProblem(await ask(undefined, domain.origin), 401, 'credential-required')
  })

  test('is at no host that belongs to nobody', async () => {
    const { key } = await makeKey(await makeDomain(), ['read'])
    for (const credential of [key, adminToken]) {
      expectProblem(await ask(credential, 'http://nobody-has-this.localhost'), 404, 'domain-not-found')
      expectProblem(await ask(credential, 'http://files.example.net'), 404, 'domain-not-found')
    }
  })

  test('knows nobody without a credential, or with one that nobody issued', async () => {
    expectProblem(await ask(), 401, 'credential-required')
    expectProblem(await ask('stv_nobody'), 401, 'credential-invalid')
  })
})
