import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { expectStatus, makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import { adminToken, type LocalWorker } from '../support/e2e/local-worker.ts'
import { RawConnection } from '../support/e2e/raw-connection.ts'

/**
 * What only a socket can send: hosts that a URL parser would mend before anybody sees them, and requests that HTTP does
 * not allow. test/workers/host-tricks.test.ts has the rest. `400` without a code is the runtime's own answer.
 */

let worker: LocalWorker
let demo: TestDomain
let other: TestDomain

beforeAll(async () => {
  worker = await startBareWorker()
  demo = await makeDomain(worker, {}, ['files.demo.example'])
  other = await makeDomain(worker)
})

afterAll(() => worker?.stop())

/** Sends a one-byte upload whose request line and headers are written as they are given; `Host` has no default. */
async function put(target: string, headers: string[]) {
  const connection = await RawConnection.open(worker.port)
  try {
    const lines = [`PUT ${target} HTTP/1.1`, ...headers, 'Content-Length: 1', '', 'x']
    await connection.send(Buffer.from(lines.join('\r\n')))
    const answer = await connection.answer()
    const isJson = /json/.test(String(answer.headers['content-type']))
    const document = isJson ? answer.json() : {}
    return { answer, outcome: document.code ?? document.domain ?? null }
  } finally {
    connection.close()
  }
}

const upload = '/v1/uploads/a'
const notFound = [404, 'domain-not-found'] as const

describe('a Host header', () => {
  it.each([
    ['as it should be', (host: string) => host],
    ['in mixed case', (host: string) => host.toUpperCase()],
    ['with the default port', (host: string) => `${host}:80`],
    ['with a colon and no port', (host: string) => `${host}:`],
    ['with the last port there is', (host: string) => `${host}:65535`],
    ['with a trailing dot', (host: string) => `${host}.`],
    ['with a trailing dot and a port', (host: string) => `${host}.:81`],
    ['with blanks around it', (host: string) => ` \t${host} `],
  ])('%s finds the domain', async (_, write) => {
    const { answer, outcome } = await put(upload, [`Host: ${write(demo.host)}`])
    expectStatus(answer, 202)
    expect(outcome).toBe(demo.slug)
  })

  it.each([
    ['several trailing dots', (host: string) => `${host}..`],
    ['a port that is too large', (host: string) => `${host}:65536`],
    ['a port of five digits that is too large', (host: string) => `${host}:99999`],
    ['a port of letters', (host: string) => `${host}:x`],
    ['a negative port', (host: string) => `${host}:-1`],
    ['a signed port', (host: string) => `${host}:+80`],
    ['two ports', (host: string) => `${host}:80:80`],
    ['a blank in the port', (host: string) => `${host}:8 0`],
    ['a user name', (host: string) => `evil.com@${host}`],
    ['a user name and a password', (host: string) => `evil.com:80@${host}`],
    ['a stranger behind a user name', (host: string) => `${host}@evil.com`],
    ['a percent sign for the dot', (host: string) => host.replace('.', '%2e')],
    ['a percent sign for a letter', (host: string) => host.replace('d', '%64')],
    ['a fragment', (host: string) => `${host}#.evil.com`],
    ['a backslash', (host: string) => `${host}\\.evil.com`],
    ['a tab inside', (host: string) => host.replace('m', '\tm')],
    ['a blank inside', (host: string) => `${host} evil.com`],
    ['two names', (host: string) => `${host}, evil.com`],
    ['the same name twice', (host: string) => `${host},${host}`],
    ['a wildcard', () => '*.localhost'],
    ['an apostrophe', (host: string) => `${host.replace('.', "'.")}`],
    ['a quote', (host: string) => `"${host}"`],
    ['full-width letters', (host: string) => host.replace('d', 'ｄ')],
    ['an ideographic full stop', (host: string) => host.replace('.', '。')],
    ['a one dot leader', (host: string) => host.replace('.', '․')],
    ['a Roman numeral for the d', (host: string) => host.replace('d', 'ⅾ')],
    ['a Cyrillic letter', (host: string) => host.replace('o', 'о')],
    ['a zero-width space', (host: string) => host.replace('.', '\u200b.')],
    ['a soft hyphen', (host: string) => host.replace('.', '\u00ad.')],
    ['punycode that decodes to nothing', () => 'xn--.localhost'],
    ['punycode that decodes to ASCII', () => 'xn--demo-.localhost'],
    ['punycode out of range', () => 'xn--99999999.localhost'],
    ['loopback in short', () => '127.1'],
    ['loopback in hexadecimal', () => '0x7f.1'],
    ['loopback as one number', () => '2130706433'],
    ['loopback in octal', () => '0177.0.0.1'],
    ['loopback with a dot', () => '127.0.0.1.'],
    ['a last label that is a number', (host: string) => `${host}.0x7f`],
    ['IPv6 without brackets', () => '::1'],
    ['IPv6 in other words', () => '[0:0:0:0:0:0:0:1]'],
    ['IPv6 with IPv4 inside', () => '[::ffff:127.0.0.1]'],
    ['IPv6 with a zone', () => '[::1%25lo]'],
    ['a future IP version', () => '[v1.demo]'],
    ['8,000 characters', () => `${'a.'.repeat(4000)}localhost`],
  ])('with %s finds none', async (_, write) => {
    const { answer, outcome } = await put(upload, [`Host: ${write(demo.host)}`])
    expect([answer.status, outcome]).toEqual(notFound)
  })

  it.each([
    ['a path', (host: string) => `${host}/x`, 404, 'route-not-found'],
    ['a path that leads back', (host: string) => `${host}/x/..`, 404, 'route-not-found'],
    ['a query', (host: string) => `${host}?.evil.com`, 404, 'domain-not-found'],
    ['a path of its own', (host: string) => `${host}${upload}?`, 404, 'domain-not-found'],
    ['nothing', () => '', 400, null],
    ['NUL', (host: string) => `${host}\0`, 400, null],
    ['a carriage return alone', (host: string) => `${host}\rX-A: b`, 400, null],
    ['a folded line', (host: string) => `${host}\r\n .evil.com`, 400, null],
  ])('with %s is refused', async (_, write, status, code) => {
    const { answer, outcome } = await put(upload, [`Host: ${write(demo.host)}`])
    expect([answer.status, outcome]).toEqual([status, code])
  })

  it('that is missing, or comes twice, names nobody', async () => {
    for (const lines of [[], ['Host:'], [`Host : ${demo.host}`]]) {
      expect((await put(upload, lines)).answer.status).toBe(400)
    }
    for (const second of [demo.host, other.host, 'evil.com', 'localhost']) {
      for (const lines of [
        [`Host: ${demo.host}`, `Host: ${second}`],
        [`Host: ${second}`, `Host: ${demo.host}`],
      ]) {
        const { answer, outcome } = await put(upload, lines)
        expect([answer.status, outcome], lines.join()).toEqual(notFound)
      }
    }
  })

  it('decides alone, whatever is said of forwarding', async () => {
    const headers = [`X-Forwarded-Host: ${other.host}`, `Forwarded: host=${other.host}`, `X-Host: ${other.host}`]
    expect((await put(upload, [`Host: ${demo.host}`, ...headers])).outcome).toBe(demo.slug)
    expect((await put(upload, ['Host: localhost', ...headers])).outcome).toBe('domain-required')
    expect((await put(upload, ['Host: evil.com', ...headers])).outcome).toBe('domain-not-found')
  })

  it('is what administration goes by as well', async () => {
    const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ slug: 'by-a-trick' })
    for (const host of ['127.1', 'evil.com@localhost', 'localhost#', 'localhost:99999', 'localhost, localhost']) {
      const answer = await worker.call('POST', '/v1/domains', { host, headers, body })
      expect([answer.status, answer.json().code], host).toEqual([404, 'route-not-found'])
    }
    expectStatus(await worker.call('POST', '/v1/domains', { host: 'LOCALHOST.:80', headers, body }), 201)
  })
})

describe('a request target', () => {
  // The runtime takes the host of the Host header alone, and of an absolute target nothing but the path (RFC 9112 §3.2.2
  // would have it the other way round; in production nothing reaches the Worker with the two in disagreement).
  it.each([
    ['absolute, and of the same host', () => `http://${demo.host}${upload}`],
    ['absolute, and of another domain', () => `http://${other.host}${upload}`],
    ['absolute, and of a stranger', () => `http://evil.com${upload}`],
    ['absolute, with another port', () => `http://${demo.host}:1${upload}`],
    ['absolute, with user information', () => `http://${other.host}@evil.com${upload}`],
    ['absolute, with another scheme', () => `ftp://${other.host}${upload}`],
  ])('%s leaves the domain to Host', async (_, target) => {
    const { answer, outcome } = await put(target(), [`Host: ${demo.host}`])
    expectStatus(answer, 202)
    expect(outcome).toBe(demo.slug)
    expect(answer.headers.location).toMatch(`http://${demo.host}/v1/uploads/`)
  })

  it.each([
    ['that begins with two slashes', '//evil.com/v1/uploads/a', 404, 'route-not-found'],
    ['with dot segments', '/x/../v1/uploads/a', 404, 'route-not-found'],
    ['that begins with @', '@evil.com/v1/uploads/a', 400, null],
    ['that goes on with the host', '.evil.com/v1/uploads/a', 400, null],
    ['that begins with a port', ':81/v1/uploads/a', 400, null],
    ['that begins with a backslash', '\\v1/uploads/a', 400, null],
    ['without a slash', 'v1/uploads/a', 400, null],
    ['with a control character', '/v1/uploads/a\x01b', 400, null],
    ['with a tab', '/v1/uploads/a\tb', 400, null],
    ['with bytes that no URL may hold', '/v1/uploads/ä', 400, 'request-invalid'],
  ])('%s is refused', async (_, target, status, code) => {
    const { answer, outcome } = await put(target, [`Host: ${demo.host}`])
    expect([answer.status, outcome]).toEqual([status, code])
  })
})

it('names of domains in two header lines are no name, even when they agree', async () => {
  for (const second of [demo.slug, other.slug]) {
    const headers = ['Host: localhost', `X-Upload-Domain: ${demo.slug}`, `X-Upload-Domain: ${second}`]
    const { answer, outcome } = await put(upload, headers)
    expect([answer.status, outcome]).toEqual(notFound)
  }
})
