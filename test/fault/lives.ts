import { formBody, multipartType, noise } from '../support/e2e/bodies.ts'
import { type Answer, chunkedBody, field, file } from '../support/workers/client.ts'
import { FaultPlan } from './outside-calls.ts'
import type { Stage } from './stage.ts'
import type { State } from './state.ts'

const minute = 60_000
const hour = 60 * minute

const partBytes = 5 * 1024 * 1024
const small = new TextEncoder().encode('one small box\n')
const other = new TextEncoder().encode('{"boxes":2}')
/** Two parts, the second of which is short. */
const large = noise(partBytes + 100)

/** The whole way of an upload, or of a part of it that the reconciler has to finish. */
export interface Life {
  name: string
  /** Brings about what the life begins with: without faults, and not counted. */
  prepare?(stage: Stage): Promise<unknown>
  /** What is counted, and fails at one point. */
  run(stage: Stage): Promise<unknown>
  /** What the client does after the fault: without faults, and not counted. */
  after?(stage: Stage): Promise<unknown>
  /** What is wrong with the end of it, beyond what must hold of every state. */
  judge(stage: Stage, state: State): string[]
}

const putSmall = (stage: Stage, headers: Record<string, string> = {}) =>
  stage.request('PUT', '/v1/uploads/small.txt', { body: small, headers })

const putLarge = (stage: Stage, headers: Record<string, string> = {}) =>
  stage.request('PUT', '/v1/uploads/large.bin', {
    // In pieces that are made when they are asked for: a request that is abandoned leaves no memory behind.
    body: chunkedBody(large, 256 * 1024),
    headers: { ...headers, 'content-length': String(large.length) },
  })

const form = formBody([
  field('metadata', '{"invoice":"4711"}'),
  file('small.txt', small),
  file('large.bin', large),
  file('other.json', other),
])
const postForm = (stage: Stage, headers: Record<string, string> = {}) =>
  stage.request('POST', '/v1/uploads', {
    body: chunkedBody(form, 256 * 1024),
    headers: { ...headers, 'content-type': multipartType },
  })

/** A file of the domain that has come to its end. */
async function completeFile(stage: Stage): Promise<string> {
  const answer = await putSmall(stage)
  await stage.deliver()
  return answer?.json.id
}

/** Ends the invocation at the first call whose name begins like this. */
async function crashing(stage: Stage, call: string, run: () => Promise<unknown>): Promise<void> {
  const plan = stage.plan
  stage.plan = new FaultPlan((_index, name) => (name.startsWith(call) ? 'crash after' : null))
  await run()
  if (stage.plan.struck === null) throw new Error(`There was no call ${call}.`)
  stage.plan = plan
}

const isGood = (answer: Answer | null | undefined) => answer?.status === 202

const idsOf = (answer: Answer): string[] =>
  answer.json.results?.map((result: { upload?: { id: string } }) => result.upload?.id) ?? [answer.json.id]

/** Without a key each answered request is there, and one that was not is there as a whole or not at all. */
function oneUpload(...sizes: number[]) {
  return (stage: Stage, { rows, present }: State): string[] => {
    const [answer] = stage.answers
    const wrong: string[] = []
    const found = present.map((row) => row.size).join()
    if (rows.length > present.length) wrong.push(`${rows.length - present.length} deleted rows are left`)
    if (found !== '' && found !== sizes.join()) wrong.push(`files of ${found} bytes are there, not of ${sizes.join()}`)
    if (isGood(answer)) {
      const ids = idsOf(answer as Answer).join()
      const there = present.map((row) => row.id).join()
      if (ids !== there) wrong.push(`answered was ${ids}; there is ${there || 'nothing'}`)
    } else if (answer && answer.status < 500 && answer.json?.code !== 'body-timeout') {
      // Twelve hours after its beginning an upload is rightly refused.
      wrong.push(`the answer was ${answer.status}: ${answer.text}`)
    }
    return wrong
  }
}

/** With a key, all its tries together are one upload, and every good answer names it. Try number `faulty` may fail. */
function oneUploadOfKey(sizes: number[], faulty = 0) {
  return (stage: Stage, { rows, present }: State): string[] => {
    const wrong: string[] = []
    const ids = present.map((row) => row.id).join()
    const found = present.map((row) => row.size).join()
    if (rows.length > present.length) wrong.push(`${rows.length - present.length} deleted rows are left`)
    if (found !== sizes.join()) wrong.push(`files of ${found || 'no'} bytes are there, not of ${sizes.join()}`)
    for (const answer of stage.answers.filter(isGood)) {
      const answered = idsOf(answer as Answer).join()
      if (answered !== ids) wrong.push(`answered was ${answered}; there is ${ids || 'nothing'}`)
    }
    const last = stage.answers.length - 1
    stage.answers.forEach((answer, at) => {
      const mayFail = at === faulty && (answer === null || answer.status >= 500)
      const mayWait = at < last && answer?.status === 409
      if (!isGood(answer) && !mayFail && !mayWait) wrong.push(`try ${at} was answered ${answer?.text}`)
    })
    return wrong
  }
}

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

const nothing = (_stage: Stage, { rows }: State): string[] => (rows.length > 0 ? ['a row is left'] : [])

export const lives: readonly Life[] = [
  {
    name: 'PUT small',
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
  {
    name: 'sweep: lost job',
    async prepare(stage) {
      await putSmall(stage)
      stage.queue.lose()
      stage.wait(2 * minute)
    },
    async run(stage) {
      await stage.sweep()
      await stage.deliver()
    },
    judge: oneUpload(small.length),
  },
  {
    name: 'sweep: dead worker',
    async prepare(stage) {
      await putSmall(stage)
      await crashing(stage, 'R2 get', () => stage.deliver())
      stage.queue.lose()
      stage.wait(3 * minute)
    },
    async run(stage) {
      await stage.sweep()
      stage.wait(minute)
      await stage.deliver()
    },
    judge: oneUpload(small.length),
  },
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
]
