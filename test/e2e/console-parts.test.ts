import { describe, expect, it } from 'vitest'
import { domainHost } from '../../web/src/domain-host.ts'
import { withFollowing, withNewest } from '../../web/src/pages/files/pages.ts'
import { oneAtATime } from '../../web/src/parts/one-at-a-time.ts'

const pages = (ids: string, nextCursor: string | null) => ({ uploads: [...ids].map((id) => ({ id })), nextCursor })

describe('the newest page of the console’s list', () => {
  it.each([
    { was: 'what is behind it stays', before: pages('fedcba', null), page: pages('gfe', 'e'), after: 'gfedcba' },
    { was: 'one that was deleted is gone', before: pages('fedcba', null), page: pages('fdc', 'c'), after: 'fdcba' },
    { was: 'the last page is all there is', before: pages('fedcba', null), page: pages('fe', null), after: 'fe' },
  ])('$was', ({ before, page, after }) => {
    expect(withNewest(before, page)).toEqual(pages(after, null))
  })

  it('is all that is shown where more than a page came in unseen', () => {
    expect(withNewest(pages('cba', null), pages('zyx', 'x'))).toEqual(pages('zyx', 'x'))
  })

  it('is not followed by a page that was asked for behind what is not shown any more', () => {
    expect(withFollowing(pages('fed', 'd'), pages('cba', null), 'd')).toEqual(pages('fedcba', null))
    const newer = pages('zyx', 'x')
    expect(withFollowing(newer, pages('cba', null), 'd')).toEqual(newer)
  })
})

it('reads one thing at a time in the console, and once more for all that happened meanwhile', async () => {
  const begun: PromiseWithResolvers<void>[] = []
  const read = oneAtATime(() => {
    const reading = Promise.withResolvers<void>()
    begun.push(reading)
    return reading.promise
  })
  read()
  read()
  read()
  expect(begun).toHaveLength(1)
  begun[0]?.resolve()
  await begun[0]?.promise
  expect(begun).toHaveLength(2)
  begun[1]?.resolve()
  await new Promise(setImmediate)
  expect(begun).toHaveLength(2)
  read()
  expect(begun).toHaveLength(3)
})

it.each([
  { host: 'uploads.example.com', at: 'acme.uploads.example.com' },
  { host: 'localhost:8787', at: 'acme.localhost:8787' },
  { host: 'stevedore.example.workers.dev', at: null },
  { host: '127.0.0.1:8787', at: null },
  { host: '[::1]:8787', at: null },
])('says where a domain is served on $host', ({ host, at }) => {
  expect(domainHost('acme', host)).toBe(at)
})
