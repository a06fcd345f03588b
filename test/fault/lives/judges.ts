import type { Answer } from '../../support/workers/client.ts'
import type { Stage } from '../stage.ts'
import type { State } from '../state.ts'

export const isGood = (answer: Answer | null | undefined) => answer?.status === 202

const idsOf = (answer: Answer): string[] =>
  answer.json.results?.map((result: { upload?: { id: string } }) => result.upload?.id) ?? [answer.json.id]

/** Without a key each answered request is there, and one that was not is there as a whole or not at all. */
export function oneUpload(...sizes: number[]) {
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
export function oneUploadOfKey(sizes: number[], faulty = 0) {
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

/** Whatever there was is gone, and so is every trace of it. */
export const nothing = (_stage: Stage, { rows }: State): string[] => (rows.length > 0 ? ['a row is left'] : [])
