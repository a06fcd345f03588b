import { describe, expect, test } from 'vitest'
import { adminToken, call, expectProblem, expectStatus, makeDomain } from '../support/workers/client.ts'
import { appWith } from '../support/workers/faults.ts'

const apex = 'http://localhost'
const developmentSession = 'name="development-session"'

/** The address of the script that the page at `/` names. */
async function scriptOfPage(): Promise<string> {
  const { text } = await call('GET', `${apex}/`)
  const [, path] = /<script[^>]* src="([^"]+)"/.exec(text) ?? []
  expect(path).toMatch(/^\/console\/.+\.js$/)
  return apex + path
}

describe('the console', () => {
  test('is served at the apex host, and may load and be loaded from nowhere else', async () => {
    const answer = await call('GET', `${apex}/`)
    expectStatus(answer, 200)
    expect(answer.text).toContain('<title>Stevedore</title>')
    expect(answer.headers.get('content-type')).toMatch(/^text\/html/)
    expect(answer.headers.get('cache-control')).toBe('no-cache')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    const policy = answer.headers.get('content-security-policy')?.split('; ')
    expect(policy).toEqual([
      ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob:", "connect-src 'self'"],
      ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
    ])
  })

  test('has files that are kept for ever, since their names change with them', async () => {
    const answer = await call('GET', await scriptOfPage())
    expectStatus(answer, 200)
    expect(answer.headers.get('content-type')).toMatch(/javascript/)
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  })

  test('answers HEAD, and refuses what is no file of it', async () => {
    expectStatus(await call('HEAD', `${apex}/`), 200)
    for (const path of ['/console/nothing.js', '/console/', '/console', '/index.html', '/console/..%2findex.html'])
      expectProblem(await call('GET', apex + path), 404, 'route-not-found')
  })

  test('is not on the hosts of domains', async () => {
    const { origin } = await makeDomain()
    expectProblem(await call('GET', `${origin}/`), 404, 'route-not-found')
    expectProblem(await call('GET', `${origin}${new URL(await scriptOfPage()).pathname}`), 404, 'route-not-found')
    expectProblem(await call('GET', 'http://elsewhere.example/'), 404, 'route-not-found')
  })

  test('is not there without static assets', async () => {
    const send = appWith({ env: { ASSETS: undefined } })
    expectProblem(await call('GET', `${apex}/`, { send }), 404, 'route-not-found')
  })

  test('opens signed in only in development, and only with the token that everybody knows', async () => {
    const open = appWith({ env: { ADMIN_TOKEN: 'dev-admin-token' } })
    expect((await call('GET', `${apex}/`, { send: open })).text).toContain(
      `<meta ${developmentSession} data-credential="dev-admin-token" data-domain="demo"></head>`,
    )
    // The developer's own token, and then a deployment.
    for (const env of [{}, { MODE: 'production', ADMIN_TOKEN: 'a-token-of-the-operator' }]) {
      const { status, text } = await call('GET', `${apex}/`, { send: appWith({ env }) })
      expect(status).toBe(200)
      expect(text).not.toContain(developmentSession)
      expect(text).not.toContain(adminToken)
      expect(text).not.toContain('a-token-of-the-operator')
    }
  })
})
