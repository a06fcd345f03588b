import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { type RateBucket, type RateVerdict, rateWindowSeconds } from '../../src/core/rate-limit.ts'

/** A real limiter with a clock that is told the time: `now` is milliseconds since 1970. */
export interface LimiterUnderTest {
  take(domainId: string, buckets: readonly RateBucket[], now: number): Promise<RateVerdict>
  /** A question that the limiter can't answer. */
  takeFailing(domainId: string, buckets: readonly RateBucket[], now: number): Promise<RateVerdict>
}

const windowMs = rateWindowSeconds * 1000
/** The start of a window that has not come yet: what is really later than a count does not make it be forgotten. */
const start = Math.ceil(Date.now() / windowMs) * windowMs

const bucket = (key: string, limit: number): RateBucket => ({ policy: 'uploads', key, limit })

/** What every implementation of `RateLimiter` promises. */
export function describeRateLimiter(name: string, open: () => Promise<LimiterUnderTest>): void {
  describe(`the contract of a rate limiter: ${name}`, () => {
    let limiter: LimiterUnderTest
    let domainId: string

    beforeAll(async () => {
      limiter = await open()
    })

    /** Takes one after the other, and says for each whether it passed. */
    async function passes(times: number, buckets: RateBucket[], now: number): Promise<boolean[]> {
      const passed: boolean[] = []
      while (passed.length < times) passed.push((await limiter.take(domainId, buckets, now)).refusedBy === null)
      return passed
    }
    const nextDomain = () => {
      domainId = randomUUID()
    }

    it('lets exactly as many pass as the limit says, counting down', async () => {
      nextDomain()
      const four = bucket('all', 4)
      for (const remaining of [3, 2, 1, 0]) {
        const verdict = await limiter.take(domainId, [four], start)
        expect(verdict).toEqual({ states: [{ bucket: four, remaining, resetMs: windowMs }], refusedBy: null })
      }
      const { states, refusedBy } = await limiter.take(domainId, [four], start)
      expect(refusedBy).toMatchObject({ bucket: four, remaining: 0 })
      expect(states).toEqual([refusedBy])
      // To the last moment of the window.
      expect(await passes(1, [four], start + windowMs - 1)).toEqual([false])
    })

    it.each([1, 2, 7])(
      'with a limit of %i lets one pass again after the time it named, and not before',
      async (limit) => {
        nextDomain()
        const small = bucket('all', limit)
        await passes(limit, [small], start + 500)
        const { refusedBy } = await limiter.take(domainId, [small], start + 1_500)
        const freeAt = start + 1_500 + (refusedBy?.resetMs ?? 0)
        expect(await passes(1, [small], start + windowMs)).toEqual([false])
        expect(await passes(1, [small], freeAt)).toEqual([true])
      },
    )

    it('lets what went before count less and less, until it counts for nothing', async () => {
      nextDomain()
      const ten = bucket('all', 10)
      expect(await passes(10, [ten], start)).not.toContain(false)
      expect(await passes(6, [ten], start + windowMs * 1.5)).toEqual([true, true, true, true, true, false])
      expect(await passes(11, [ten], start + windowMs * 3)).toEqual([...Array(10).fill(true), false])
    })

    it('keeps clients apart, and domains', async () => {
      nextDomain()
      expect(await passes(2, [bucket('one', 1)], start)).toEqual([true, false])
      expect(await passes(2, [bucket('two', 1)], start)).toEqual([true, false])
      nextDomain()
      expect(await passes(2, [bucket('one', 1)], start)).toEqual([true, false])
    })

    it('counts over all clients in what they share', async () => {
      nextDomain()
      const shared = bucket('shared', 3)
      expect(await passes(2, [bucket('one', 2), shared], start)).toEqual([true, true])
      expect(await passes(2, [bucket('two', 2), shared], start)).toEqual([true, false])
    })

    it('takes from all buckets or from none', async () => {
      nextDomain()
      const [own, shared] = [bucket('own', 5), bucket('shared', 2)]
      expect(await passes(4, [own, shared], start)).toEqual([true, true, false, false])
      const refused = await limiter.take(domainId, [own, shared], start)
      expect(refused.refusedBy?.bucket).toEqual(shared)
      expect(refused.states.map((state) => state.bucket)).toEqual([own, shared])
      // Of its own the client has used up what passed, and nothing else.
      expect(await passes(4, [own], start)).toEqual([true, true, true, false])
    })

    it('does not touch what is shared for a client that has used up its own', async () => {
      nextDomain()
      const [own, shared] = [bucket('own', 1), bucket('shared', 3)]
      expect(await passes(5, [own, shared], start)).toEqual([true, false, false, false, false])
      expect((await limiter.take(domainId, [own, shared], start)).states).toHaveLength(1)
      expect(await passes(3, [shared], start)).toEqual([true, true, false])
    })

    it('judges by the limit that is asked, whatever it was before', async () => {
      nextDomain()
      expect(await passes(3, [bucket('all', 2)], start)).toEqual([true, true, false])
      expect(await passes(3, [bucket('all', 4)], start)).toEqual([true, true, false])
      expect(await passes(1, [bucket('all', 2)], start)).toEqual([false])
    })

    it('lets exactly the limit pass of a hundred at once', async () => {
      nextDomain()
      const shared = bucket('shared', 37)
      const verdicts = await Promise.all(Array.from({ length: 100 }, () => limiter.take(domainId, [shared], start)))
      expect(verdicts.filter(({ refusedBy }) => refusedBy === null)).toHaveLength(37)
    })

    it('lets exactly the limits pass of a hundred at once from four clients', async () => {
      nextDomain()
      const shared = bucket('shared', 25)
      const passedOf = new Map<number, number>()
      await Promise.all(
        Array.from({ length: 100 }, async (_, index) => {
          const client = index % 4
          const { refusedBy } = await limiter.take(domainId, [bucket(`client-${client}`, 10), shared], start)
          if (!refusedBy) passedOf.set(client, (passedOf.get(client) ?? 0) + 1)
        }),
      )
      const counts = [...passedOf.values()]
      expect(Math.max(...counts)).toBeLessThanOrEqual(10)
      expect(counts.reduce((sum, count) => sum + count)).toBe(25)
    })

    it('says so when it can not tell, and goes on afterwards', async () => {
      nextDomain()
      const one = bucket('all', 1)
      await expect(limiter.takeFailing(domainId, [one], start)).rejects.toThrow()
      nextDomain()
      expect(await passes(2, [one], start)).toEqual([true, false])
    })
  })
}
