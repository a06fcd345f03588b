import { jobs } from '../fault/lives/jobs.ts'
import { uploads } from '../fault/lives/uploads.ts'
import { QStashStageQueue } from '../fault/queues/qstash.ts'
import { sweepFaults } from '../fault/sweep.ts'

sweepFaults('QStash', new QStashStageQueue(), [...uploads, ...jobs])
