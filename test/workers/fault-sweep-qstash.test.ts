import { jobs } from '../fault/lives/jobs.ts'
import { uploads } from '../fault/lives/uploads.ts'
import { QStashStageQueue } from '../fault/queues/qstash.ts'
import { sweepFaults } from '../fault/sweep.ts'

// Most of these calls are those of the sweep through Cloudflare Queues: fewer of them will do in every run.
sweepFaults('QStash', new QStashStageQueue(), [...uploads, ...jobs], { share: 0.012, takesDoubtfulCommits: false })
