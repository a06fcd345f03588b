import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import { eventually } from '../support/e2e/eventually.ts'

/** A real queue, published to by its adapter, with a consumer that notes what it is given. */
export interface QueueUnderTest {
  publish(jobs: readonly Job[], options?: { delaySeconds?: number }): Promise<void>
  /** Everything that was delivered since the start, and when. */
  delivered(): Promise<{ message: Job; at: number }[]>
  /** A publish of these jobs that the queue refuses, now and by its own judgement. */
  publishRefused(jobs: readonly Job[]): Promise<void>
}

/** What every implementation of `JobQueue` promises. */
export function describeJobQueue(name: string, start: () => Promise<QueueUnderTest>): void {
  describe(`the contract of a job queue: ${name}`, () => {
    let queue: QueueUnderTest

    beforeAll(async () => {
      queue = await start()
    })

    /** Waits until each of these jobs was delivered, and gives back the first delivery of each. */
    const arrivalsOf = (jobs: readonly Job[]) =>
      eventually(async () => {
        const all = await queue.delivered()
        const first = jobs.map((job) => all.find(({ message }) => message.id === job.id))
        expect(first.filter((arrival) => arrival === undefined)).toHaveLength(0)
        return first.filter((arrival) => arrival !== undefined)
      })

    it('delivers one job as it is', async () => {
      const [job] = makeJobs(1) as [Job]
      await queue.publish([job])
      expect((await arrivalsOf([job])).map(({ message }) => message)).toEqual([job])
    })

    it.each([2, 100, 101, 250])('delivers each of %i jobs that were published in one call', async (count) => {
      const jobs = makeJobs(count)
      await queue.publish(jobs)
      expect((await arrivalsOf(jobs)).map(({ message }) => message)).toEqual(jobs)
    })

    it('takes no jobs at all, and delivers nothing', async () => {
      const before = (await queue.delivered()).length
      await queue.publish([])
      await sleep(200)
      expect(await queue.delivered()).toHaveLength(before)
    })

    it('delivers long jobs as well as short ones, and any number that a job may hold', async () => {
      const [none, just, long, longest] = makeJobs(4) as [Job, Job, Job, Job]
      none.bytes = 0
      just.bytes = 32 * 1024 * 1024 - 1
      long.bytes = 32 * 1024 * 1024
      Object.assign(longest, { bytes: 156 * 2 ** 30, publish: 4_711, generation: 99 })
      const jobs = [none, just, long, longest]
      await queue.publish(jobs)
      expect((await arrivalsOf(jobs)).map(({ message }) => message)).toEqual(jobs)
    })

    it('delivers nothing before its delay is over, and the rest meanwhile', async () => {
      const later = makeJobs(2)
      const now = makeJobs(1)
      const start = Date.now()
      await queue.publish(later, { delaySeconds: 2 })
      await queue.publish(now)
      await arrivalsOf(now)
      for (const { at } of await arrivalsOf(later)) expect(at - start).toBeGreaterThanOrEqual(1_900)
    })

    it('delivers a job that is published again, be it the same publish or the next', async () => {
      const [job] = makeJobs(1) as [Job]
      await queue.publish([job])
      await queue.publish([job])
      await queue.publish([{ ...job, publish: 2 }])
      await eventually(async () => {
        const messages = (await queue.delivered()).map(({ message }) => message)
        expect(messages).toContainEqual(job)
        expect(messages).toContainEqual({ ...job, publish: 2 })
      })
    })

    it('says so when the queue refuses one job or several, and goes on afterwards', async () => {
      const [job, ...more] = makeJobs(3) as [Job, ...Job[]]
      await expect(queue.publishRefused([job])).rejects.toThrow()
      await expect(queue.publishRefused(more)).rejects.toThrow()
      const next = makeJobs(2)
      await queue.publish(next)
      await arrivalsOf(next)
    })
  })
}

function makeJobs(count: number): Job[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: 'process',
    id: randomUUID(),
    domainId: randomUUID(),
    generation: 1,
    publish: 1,
    bytes: index,
  }))
}
