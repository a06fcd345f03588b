import { inject, test } from 'vitest'
import { jobs } from '../fault/lives/jobs.ts'
import { uploads } from '../fault/lives/uploads.ts'
import { RedisStageQueue } from '../fault/queues/redis.ts'
import { sweepFaults } from '../fault/sweep.ts'

const redis = inject('redis')

if ('missing' in redis) {
  console.warn(`Left out, the fault sweep through Redis: ${redis.missing}`)
  test.skip('whatever fails at one call of a life, its end is right')
} else {
  sweepFaults('Redis', new RedisStageQueue(redis), [...uploads, ...jobs])
}
