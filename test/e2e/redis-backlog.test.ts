import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { countJobs, noJobs } from '../redis/jobs-in-redis.ts'
import { redisMissing } from '../redis/redis-server.ts'
import { startUpstashRedis, type UpstashRedis } from '../redis/upstash-redis.ts'
import { formBody, multipartType } from '../support/e2e/bodies.ts'
import { expectStatus, makeDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'

const full = process.env.STEVEDORE_TEST_FULL === '1'
const backlog = full ? 5_000 : 2_000
const filesPerUpload = 100
const points = 10

describe.skipIf(redisMissing)('a backlog in Redis', () => {
  let redis: UpstashRedis
  let worker: LocalWorker

  beforeAll(async () => {
    redis = await startUpstashRedis()
    worker = await startLocalWorker(redis.vars)
  })

  afterAll(async () => {
    await worker?.stop()
    await redis?.stop()
  })

  it(`of ${backlog} files is drained without loss`, async () => {
    redis.bridge.failNext(Number.POSITIVE_INFINITY, 'error-before', 'XREADGROUP')
    const domain = await makeDomain(worker)
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
    await eventually(() => expect(worker.logged('drain-failed')).toHaveLength(backlog / filesPerUpload))
    expect(await countJobs(redis)).toEqual({ ...noJobs, short: backlog })
    redis.bridge.heal()

    const started = Date.now()
    let drains = 0
    for (; Number((await countJobs(redis)).short) > 0; drains += 1) await worker.runSchedule()
    const ms = Date.now() - started

    expect(await countJobs(redis)).toEqual(noJobs)
    const { results } = await worker.env.DB.prepare(
      'SELECT status, attempts, publish_count, completed_at FROM uploaded_files ORDER BY completed_at',
    ).all<{ status: string; attempts: number; publish_count: number; completed_at: number }>()
    expect(results).toHaveLength(backlog)
    const unlike = results.filter(({ status, attempts }) => status !== 'complete' || attempts !== 1)
    expect(unlike).toEqual([])
    const { results: ends } = await worker.env.DB.prepare(
      `SELECT count(*) AS events FROM file_events WHERE kind = 'complete'`,
    ).all<{ events: number }>()
    expect(ends).toEqual([{ events: backlog }])

    const size = backlog / points
    const curve = Array.from({ length: points }, (_, point) => {
      const from = point === 0 ? started : results[point * size - 1]!.completed_at
      const each = (results[(point + 1) * size - 1]!.completed_at - from) / size
      return `${String(backlog - point * size).padStart(6)} waiting  ${each.toFixed(1).padStart(6)} ms a job`
    })
    console.log(`${backlog} jobs from Redis in ${ms} ms and ${drains} drains\n${curve.join('\n')}`)
  }, 600_000)
})
