import type { Stage } from '../stage.ts'
import { isGood, oneUpload, oneUploadOfKey } from './judges.ts'
import { hour, type Life, minute } from './life.ts'
import { completeFile, large, other, postForm, putLarge, putSmall, small } from './requests.ts'

/** The whole life of an upload, by each protocol: what each queue carries. */
export const uploads: readonly Life[] = [
  {
    name: 'PUT small',
    async run(stage) {
      await putSmall(stage)
      await stage.deliver()
    },
    judge: oneUpload(small.length),
  },
  {
    name: 'PUT large',
    async run(stage) {
      await putLarge(stage)
      await stage.deliver()
    },
    judge: oneUpload(large.length),
  },
  {
    name: 'POST form of 3',
    async run(stage) {
      await postForm(stage)
      await stage.deliver()
    },
    judge: oneUpload(small.length, large.length, other.length),
  },
]

const keyHeader = { 'idempotency-key': 'one-and-only' }

/** Asks again at once, when the lease of the first request's key has ended, and once more after that. */
const repeating = (send: typeof putSmall) => async (stage: Stage) => {
  await send(stage, keyHeader)
  stage.wait(2 * minute)
  await send(stage, keyHeader)
  await stage.deliver()
  stage.wait(minute)
  await send(stage, keyHeader)
}

/** What a client may do besides, and what time brings. */
export const repeats: readonly Life[] = [
  {
    name: 'PUT small, and a day',
    async run(stage) {
      await putSmall(stage)
      await stage.deliver()
      stage.wait(minute)
      await stage.sweep()
      stage.wait(25 * hour)
      await stage.sweep()
    },
    judge: oneUpload(small.length),
  },
  {
    name: 'PUT small, keyed',
    run: async (stage) => {
      await putSmall(stage, keyHeader)
      await stage.deliver()
    },
    after: repeating(putSmall),
    judge: oneUploadOfKey([small.length]),
  },
  {
    name: 'PUT large, keyed',
    run: (stage) => putLarge(stage, keyHeader),
    after: repeating(putLarge),
    judge: oneUploadOfKey([large.length]),
  },
  {
    name: 'POST form, keyed',
    run: (stage) => postForm(stage, keyHeader),
    after: repeating(postForm),
    judge: oneUploadOfKey([small.length, large.length, other.length]),
  },
  {
    name: 'repeat of a key',
    async prepare(stage) {
      await putSmall(stage, keyHeader)
      await stage.deliver()
    },
    run: (stage) => putSmall(stage, keyHeader),
    after: repeating(putSmall),
    judge: oneUploadOfKey([small.length], 1),
  },
  {
    name: 'DELETE',
    prepare: completeFile,
    async run(stage) {
      const [row] = stage.rows
      await stage.request('DELETE', `/v1/uploads/${row?.id}`)
      stage.wait(61 * minute)
      await stage.sweep()
    },
    judge(stage, { present }) {
      const answer = stage.answers.at(-1)
      if (answer?.status === 204 && present.length > 0) return ['a deleted file is there']
      return present.length > 1 ? ['there are more files than before'] : []
    },
  },
  {
    name: 'reprocess',
    prepare: completeFile,
    async run(stage) {
      const [row] = stage.rows
      await stage.request('POST', `/v1/uploads/${row?.id}/reprocess`)
      await stage.deliver()
    },
    judge(stage, { present: [row, ...more] }) {
      if (!row || more.length > 0) return ['there is not one file']
      const answer = stage.answers.at(-1)
      return isGood(answer) && row.generation !== 2 ? [`answered 202, and it is at generation ${row.generation}`] : []
    },
  },
]
