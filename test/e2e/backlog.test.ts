import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formBody, multipartType } from '../support/e2e/bodies.ts'
import { expectStatus, makeDomain } from '../support/e2e/domains.ts'
import { type QueuedWorker, queues } from '../support/e2e/queued-worker.ts'
import { type RuntimeCpu, watchRuntimeCpu } from '../support/e2e/runtime-cpu.ts'

const backlog = process.env.STEVEDORE_TEST_FULL === '1' ? 5_000 : 200
const filesPerUpload = 100
const points = 10

/**
 * Uploads of one domain, so that its bound on running files is worked as hard as it can be, none of which is processed
 * before the last has been sent. In Redis and at QStash the backlog is that of the queue itself; on Cloudflare Queues the
 * first message of each file has come to nothing, and the reconciler publishes all of them anew.
 */
for (const { name, missing, start } of queues) {
  describe.skipIf(missing)(`a backlog on ${name}`, () => {
    let queued: QueuedWorker

    beforeAll(async () => {
      queued = await start()
    })

    afterAll(() => queued?.stop())

    it(`of ${backlog} files is drained without loss`, { timeout: 900_000 }, async () => {
      const { worker } = queued
      const domain = await makeDomain(worker)
      await queued.hold()
      for (let sent = 0; sent < backlog; sent += filesPerUpload) {
        const parts = Array.from({ length: filesPerUpload }, (_, index) => ({
          name: 'file',
          filename: `${sent + index}.txt`,
          content: `file ${sent + index}`,
        }))
        const answer = await worker.call('POST', '/v1/uploads', {
          host: domain.host,
          headers: { 'content-type': multipartType },
          body: formBody(parts),
        })
        expectStatus(answer, 202)
      }
      await queued.holds(backlog)

      const cpu = watchRuntimeCpu()
      const started = Date.now()
      await queued.drain()
      cpu.stop()
      const { results: files } = await worker.env.DB.prepare(
        `SELECT status, attempts, generation, completed_at, next_publish_at,
           (SELECT group_concat(kind, ' ' ORDER BY number) FROM file_events WHERE file_id = uploaded_files.id) AS events,
           (SELECT count(*) FROM step_runs WHERE file_id = uploaded_files.id) AS steps
         FROM uploaded_files ORDER BY completed_at`,
      ).all<Record<string, unknown> & { completed_at: number }>()
      expect(files).toHaveLength(backlog)
      const drained = {
        status: 'complete',
        attempts: 1,
        generation: 1,
        next_publish_at: null,
        events: 'pending processing complete',
        steps: 1,
      }
      for (const file of files) expect(file).toMatchObject(drained)

      const ends = [started, ...files.map((file) => file.completed_at)]
      console.log(`${name}, ${backlog} files, oldest first\n${curveOf(ends, cpu)}`)
    })
  })
}

/** What a job took while so many waited, by the clock and in CPU time; `ends` begins with the time of the start. */
function curveOf(ends: readonly number[], cpu: RuntimeCpu): string {
  const size = backlog / points
  return Array.from({ length: points }, (_, point) => {
    const [from, to] = [ends[point * size] ?? 0, ends[(point + 1) * size] ?? 0]
    const ms = ((to - from) / size).toFixed(1).padStart(6)
    const cpuMs = ((cpu.msUntil(to) - cpu.msUntil(from)) / size).toFixed(1).padStart(6)
    return `${String(backlog - point * size).padStart(6)} waiting  ${ms} ms a job  ${cpuMs} ms of CPU`
  }).join('\n')
}
