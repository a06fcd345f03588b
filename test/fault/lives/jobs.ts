import { allRows } from '../../support/workers/client.ts'
import type { Stage } from '../stage.ts'
import { oneUpload } from './judges.ts'
import { crashing, type Life, minute } from './life.ts'
import { putSmall, small } from './requests.ts'

/** A file whose worker dies while it reads its bytes. */
async function deadWorker(stage: Stage): Promise<void> {
  await crashing(stage, 'R2 get', async () => {
    await putSmall(stage)
    await stage.deliver()
  })
}

/** What no worker can do without. A commit is a batch, whose name begins with another statement. */
const theRows = 'D1 update uploaded_files'

/** A file whose job can't be run, however often its queue tries it: all but the last time. */
async function nearlyDeadJob(stage: Stage): Promise<void> {
  await stage.without(theRows, async () => {
    await putSmall(stage)
    for (let delivery = 1; delivery < stage.queueAtHand.deliveriesUntilDead; delivery++) {
      await stage.deliver()
      stage.wait(31 * minute)
    }
  })
}

/** Sends the newest dead letter again; the operator does nothing when he sees none. */
async function retryDeadLetter(stage: Stage): Promise<void> {
  const list = await stage.requestAsAdmin('GET', '/v1/admin/dead-letters')
  const [letter] = list?.json?.deadLetters ?? []
  if (!letter) return
  const answer = await stage.requestAsAdmin('POST', `/v1/admin/dead-letters/${letter.id}/retry`)
  if (answer && answer.status !== 202 && answer.status < 500) stage.wrong.push(`the retry was answered ${answer.text}`)
}

/** What befalls a job between its publish and its end: each queue has its own way with it. */
export const jobs: readonly Life[] = [
  {
    name: 'lost job',
    async prepare(stage) {
      await stage.without(stage.queueAtHand.service, () => putSmall(stage))
      stage.wait(2 * minute)
    },
    async run(stage) {
      await stage.sweep()
      await stage.deliver()
    },
    judge: oneUpload(small.length),
  },
  {
    name: 'dead worker',
    async prepare(stage) {
      await deadWorker(stage)
      stage.wait(6 * minute)
    },
    async run(stage) {
      await stage.deliver()
      await stage.sweep()
      stage.wait(minute)
      await stage.deliver()
    },
    judge: oneUpload(small.length),
  },
  {
    name: 'dead letter',
    about: 'D1 insert dead_letters',
    prepare: nearlyDeadJob,
    async run(stage) {
      await stage.without(theRows, () => stage.deliver())
      stage.wait(minute)
      await stage.deliver()
      await stage.sweep()
      await stage.deliver()
    },
    judge: oneUpload(small.length),
  },
  {
    name: 'dead letter, retried',
    about: 'D1 update dead_letters',
    async prepare(stage) {
      await nearlyDeadJob(stage)
      await stage.without(theRows, () => stage.deliver())
      stage.wait(minute)
      await stage.deliver()
      const letters = await allRows('SELECT id FROM dead_letters')
      if (letters.length !== 1) throw new Error(`There are ${letters.length} dead letters.`)
    },
    async run(stage) {
      await retryDeadLetter(stage)
      await stage.deliver()
    },
    after: retryDeadLetter,
    judge: oneUpload(small.length),
  },
]

/** What is the same for each queue: it holds nothing of the job any more. */
export const lostJobs: readonly Life[] = [
  {
    name: 'dead worker, lost job',
    async prepare(stage) {
      await deadWorker(stage)
      await stage.queueAtHand.lose()
      stage.wait(3 * minute)
    },
    async run(stage) {
      await stage.sweep()
      stage.wait(minute)
      await stage.deliver()
    },
    judge: oneUpload(small.length),
  },
]
