import { chores } from '../fault/lives/chores.ts'
import { jobs, lostJobs } from '../fault/lives/jobs.ts'
import { repeats, uploads } from '../fault/lives/uploads.ts'
import { webhooks } from '../fault/lives/webhooks.ts'
import { CloudflareStageQueue } from '../fault/queues/cloudflare.ts'
import { sweepFaults } from '../fault/sweep.ts'

const lives = [...uploads, ...repeats, ...jobs, ...lostJobs, ...chores, ...webhooks]
sweepFaults('Cloudflare Queues', new CloudflareStageQueue(), lives, { share: 0.015, takesDoubtfulCommits: true })
