import { inject, test } from 'vitest'
import { jobs } from '../fault/lives/jobs.ts'
import { uploads } from '../fault/lives/uploads.ts'
import { RedisStageQueue } from '../fault/queues/redis.ts'
import { sweepFaults } from '../fault/sweep.ts'

const redis = inject('redis')

if ('missing' in redis) {
  test('Redis: whatever fails at one call of a life, its end is right', ({ skip }) => skip(redis.missing))
} else {
  // Most of these calls are those of the sweep through Cloudflare Queues: fewer of them will do in every run.
  sweepFaults('Redis', new RedisStageQueue(redis), [...uploads, ...jobs], { share: 0.012, takesDoubtfulCommits: false })
}
