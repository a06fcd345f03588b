import { env } from 'cloudflare:workers'
import { objectKeys } from '../../support/workers/client.ts'
import type { Stage } from '../stage.ts'
import { nothing } from './judges.ts'
import { crashing, day, hour, type Life, minute } from './life.ts'
import { completeFile, putLarge, putSmall } from './requests.ts'

/** How long the domain of the stage keeps its files. */
export const retentionDays = 90

const manyOrphans = 12

/** Objects without a row, so many that something seems to be wrong with the rows. */
async function makeOrphans(stage: Stage): Promise<void> {
  const time = stage.now().toString(16).padStart(12, '0')
  for (let number = 0; number < manyOrphans; number++) {
    const id = `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${String(number).padStart(12, '0')}`
    await env.BUCKET.put(`${id}/${stage.domain.id}`, 'orphan')
  }
}

const acceptOrphans = (stage: Stage) => stage.requestAsAdmin('POST', '/v1/admin/reconcile?accept_orphans=true')

/** What the reconciler does beside the queue. */
export const chores: readonly Life[] = [
  {
    name: 'sweep: abandoned claim',
    async prepare(stage) {
      await crashing(stage, 'R2 uploadPart', () => putLarge(stage))
      stage.wait(13 * hour)
    },
    async run(stage) {
      await stage.sweep()
      stage.wait(2 * hour)
      await stage.sweep()
    },
    judge: nothing,
  },
  {
    name: 'sweep: history',
    async prepare(stage) {
      const id = await completeFile(stage)
      await stage.request('DELETE', `/v1/uploads/${id}`)
      stage.wait(61 * minute)
      await stage.sweep()
      stage.wait(31 * 24 * hour)
    },
    run: (stage) => stage.sweep(),
    judge: nothing,
  },
  {
    name: 'sweep: orphan',
    async prepare(stage) {
      await crashing(stage, 'R2 put', () => putSmall(stage))
      stage.wait(25 * hour)
    },
    run: (stage) => stage.sweep(),
    judge: nothing,
  },
  {
    name: 'sweep: retention',
    async prepare(stage) {
      await completeFile(stage)
      await completeFile(stage)
      stage.wait(retentionDays * day + minute)
    },
    async run(stage) {
      await stage.sweep()
      stage.wait(61 * minute)
      await stage.sweep()
    },
    judge: (_stage, { present }) => (present.length > 0 ? ['a file is kept past its retention'] : []),
  },
  {
    name: 'sweep: too many orphans',
    async prepare(stage) {
      await completeFile(stage)
      await makeOrphans(stage)
      stage.wait(25 * hour)
    },
    async run(stage) {
      await stage.sweep()
      if ((await objectKeys()).length !== 1 + manyOrphans)
        stage.wrong.push('objects were removed before anybody looked')
      await acceptOrphans(stage)
    },
    after: acceptOrphans,
    judge: (_stage, { present }) => (present.length === 1 ? [] : ['the file beside the orphans is gone']),
  },
]
