import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Job } from '../../src/core/job.ts'
import { formBody, multipartType, randomFrom } from '../support/e2e/bodies.ts'
import { expectStatus, makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type QueuedWorker, queues } from '../support/e2e/queued-worker.ts'
import { reprocess } from '../support/e2e/uploads.ts'

const rounds = process.env.STEVEDORE_TEST_FULL === '1' ? 25 : 2
const files = 12
const mostCopies = 5

// The same on all three queues: what arrives twice, at once or out of order, does its work once.
for (const { name, missing, start } of queues) {
  describe.skipIf(missing)(`jobs delivered one to five times on ${name}, at once and out of order`, () => {
    let queued: QueuedWorker

    beforeAll(async () => {
      queued = await start()
    })

    afterAll(() => queued?.stop())

    it.each(seeds())('have one end, and run their steps once: seed %i', async (seed) => {
      const { worker } = queued
      const shuffled = copies(randomFrom(seed))
      const domain = await makeDomain(worker)
      await queued.hold()
      const first = await uploadFiles(domain)
      await queued.holds(files)
      await queued.letGo()
      let delivered = files + (await deliver(shuffled(first)))
      await eventually(async () => expect(await endsOf(domain)).toEqual(allAt(1)))

      // The next pass through processing: its jobs come before it has begun as well as afterwards, among those of the first.
      const second = first.map((job) => ({ ...job, generation: 2 }))
      const again = Promise.all(first.map(({ id }) => reprocess(worker, domain, id)))
      delivered += files + (await deliver(shuffled([...first, ...second])))
      await again
      await eventually(async () => expect(await endsOf(domain)).toEqual(allAt(2)))

      const outcomes = await eventually(() => {
        const all = outcomesOf(first)
        expect(all).toHaveLength(delivered)
        return all
      })
      expect(outcomes.filter((outcome) => outcome !== 'nothing-to-do')).toEqual(Array(2 * files).fill('complete'))
      // Nothing that came late has changed anything.
      expect(await endsOf(domain)).toEqual(allAt(2))
    })

    async function deliver(jobs: readonly Job[]): Promise<number> {
      await queued.deliver(jobs)
      return jobs.length
    }

    async function uploadFiles(domain: TestDomain): Promise<Job[]> {
      const parts = Array.from({ length: files }, (_, index) => ({
        name: 'file',
        filename: `${index}.txt`,
        content: `file ${index}`,
      }))
      const answer = await queued.worker.call('POST', '/v1/uploads', {
        host: domain.host,
        headers: { 'content-type': multipartType },
        body: formBody(parts),
      })
      expectStatus(answer, 202)
      return answer.json().results.map(({ upload }: { upload: { id: string; size: number } }) => ({
        kind: 'process',
        id: upload.id,
        domainId: domain.id,
        generation: 1,
        publish: 1,
        bytes: upload.size,
      }))
    }

    /** What every job of these files came to, however it was delivered. */
    function outcomesOf(jobs: readonly Job[]): unknown[] {
      const ids = new Set<unknown>(jobs.map(({ id }) => id))
      return queued.worker.logged('job-done').flatMap(({ upload_id, outcome }) => (ids.has(upload_id) ? [outcome] : []))
    }

    /** How each file of a domain stands, with the events that led there and the attempts that its steps succeeded in. */
    async function endsOf(domain: TestDomain) {
      const { results } = await queued.worker.env.DB.prepare(
        `SELECT status, generation, attempts, lease_expires_at, next_publish_at, next_attempt_at, postponed_at,
           (SELECT group_concat(number || ' ' || kind, ', ' ORDER BY number) FROM file_events WHERE file_id = id) AS events,
           (SELECT group_concat(generation || ' ' || step || ' ' || attempt, ', ' ORDER BY generation)
             FROM step_runs WHERE file_id = id) AS steps
         FROM uploaded_files WHERE domain_id = ? ORDER BY id`,
      )
        .bind(domain.id)
        .all()
      return results
    }
  })
}

function seeds(): number[] {
  return Array.from({ length: rounds }, (_, index) => 20_261_122 + index)
}

/** Makes one to five copies of each job, and brings them all into an order of chance. */
function copies(random: () => number) {
  return (jobs: readonly Job[]): Job[] =>
    jobs
      .flatMap((job) => Array.from({ length: 1 + Math.floor(random() * mostCopies) }, () => job))
      .map((job) => ({ job, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ job }) => job)
}

/** Every file complete in this generation, after one attempt in each. */
function allAt(generation: 1 | 2) {
  const events = ['1 pending', '2 processing', '3 complete', '4 pending', '5 processing', '6 complete']
  const steps = ['1 inspect 1', '2 inspect 1']
  const file = {
    status: 'complete',
    generation,
    attempts: 1,
    lease_expires_at: null,
    next_publish_at: null,
    next_attempt_at: null,
    postponed_at: null,
    events: events.slice(0, 3 * generation).join(', '),
    steps: steps.slice(0, generation).join(', '),
  }
  return Array(files).fill(file)
}
