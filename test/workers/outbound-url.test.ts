import { describe, expect, test } from 'vitest'
import { useOfAddress } from '../../src/core/ip-address.ts'
import { judgeOutboundUrl } from '../../src/core/outbound-url.ts'
import { parseRetryAfter } from '../../src/core/retry-after.ts'
import { hostileUrls } from '../support/hostile-urls.ts'

const deployed = { allowsLocal: false, baseDomain: 'uploads.example' }
const onOwnMachine = { allowsLocal: true, baseDomain: 'localhost' }

describe('a URL that somebody else wrote', () => {
  const table = hostileUrls.flatMap(([says, urls]) => urls.map((url) => [url, says] as const))

  test('the table is long enough, and has nothing twice', () => {
    expect(new Set(table.map(([url]) => url)).size).toBe(table.length)
    expect(table.length).toBeGreaterThanOrEqual(60)
  })

  test.each(table)('is refused: %j', (url, says) => {
    const verdict = judgeOutboundUrl(url, deployed)
    expect(verdict).toEqual({ ok: false, reason: expect.stringContaining(says) })
  })

  test.each([
    ['https://example.com', 'https://example.com/'],
    ['HTTPS://Hooks.Example.COM/a?b=%20c', 'https://hooks.example.com/a?b=%20c'],
    ['https://example.com:443/', 'https://example.com/'],
    ['https://example.com:8443/', 'https://example.com:8443/'],
    ['https://xn--bcher-kva.example/', 'https://xn--bcher-kva.example/'],
    ['https://myuploads.example/', 'https://myuploads.example/'],
    ['https://local.example.com/', 'https://local.example.com/'],
  ])('is called when it is an honest one: %s', (url, called) => {
    expect(judgeOutboundUrl(url, deployed)).toEqual({ ok: true, url: called })
  })

  test.each(['http://127.0.0.1:8080/', 'http://localhost:1/', 'https://[::1]:9/', 'http://acme.localhost/'])(
    'may be on a developer’s own machine in development: %s',
    (url) => {
      expect(judgeOutboundUrl(url, onOwnMachine)).toEqual({ ok: true, url })
      expect(judgeOutboundUrl(url, deployed)).toMatchObject({ ok: false })
    },
  )

  test.each([
    'http://10.0.0.1/',
    'http://169.254.169.254/',
    'http://printer.local/',
    'http://user@localhost/',
    'ftp://localhost/',
  ])('is refused in development as well: %s', (url) =>
    expect(judgeOutboundUrl(url, onOwnMachine)).toMatchObject({ ok: false }),
  )
})

test.each([
  ['1.1.1.1', 'public'],
  ['172.32.0.1', 'public'],
  ['2606:4700::1111', 'public'],
  ['::ffff:1.1.1.1', 'public'],
  ['2002:101:101::', 'public'],
  ['2002:0a00:0001::', 'private'],
  ['fe80::1', 'link-local'],
  ['1.2.3', null],
  ['1.2.3.256', null],
  ['::1::', null],
  ['1:2:3:4:5:6:7', null],
  ['1:2:3:4:5:6:7:8:9', null],
  ['12345::', null],
  ['example.com', null],
] as const)('the address %s is %s', (address, use) => {
  expect(useOfAddress(address)).toBe(use)
})

test.each([
  ['120', 120],
  [' 0 ', 0],
  ['Sun, 22 Nov 2026 22:01:00 GMT', 60],
  ['Sun, 22 Nov 2026 21:00:00 GMT', 0],
  ['-1', null],
  ['1.5', null],
  ['soon', null],
  ['2026', 2026],
  ['2026-11-22', null],
  [null, null],
])('Retry-After %j is %j seconds', (value, seconds) => {
  expect(parseRetryAfter(value, Date.parse('2026-11-22T22:00:00Z'))).toBe(seconds)
})
