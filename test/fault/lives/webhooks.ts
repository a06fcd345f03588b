import { allRows } from '../../support/workers/client.ts'
import type { Stage } from '../stage.ts'
import type { State } from '../state.ts'
import { isGood } from './judges.ts'
import type { Life } from './life.ts'
import { putSmall } from './requests.ts'

const callback = '/callback'

async function administer(stage: Stage, path: string, body?: object) {
  const answer = await stage.requestAsAdmin('POST', `/v1/domains/${stage.domain.slug}${path}`, {
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  if (answer?.status !== 201) throw new Error(`${path} was answered ${answer?.text}`)
  return answer.json
}

/** Makes an endpoint that answers everything with this status. */
async function listen(stage: Stage, path: string, events: string[], status?: number): Promise<void> {
  const { secret } = await administer(stage, '/webhooks', { url: stage.receiver.url + path, events })
  stage.receiver.listen(path, secret, status)
}

/** Which messages have arrived at a path, each once, however often it was sent: by number, where they have one. */
function told(stage: Stage, path: string): string[] {
  const messages = stage.receiver.messages.at(path)
  const ids = new Map(messages.map(({ id, type, data }) => [id, `${data.number ?? ''} ${type}`]))
  return [...ids.values()].sort()
}

/** What must hold of everything that was to be sent. */
async function expectSettled(stage: Stage): Promise<void> {
  const waiting = await allRows<{ event_type: string }>(
    `SELECT event_type FROM webhook_deliveries WHERE status = 'waiting'
      OR coalesce(next_publish_at, next_attempt_at, lease_expires_at, postponed_at) IS NOT NULL`,
  )
  for (const { event_type } of waiting) stage.wrong.push(`${event_type} waits for ever`)
}

function expectTold(stage: Stage, path: string, expected: string[]): string[] {
  const found = told(stage, path).join()
  return found === expected.join()
    ? []
    : [`${path} was told ${found || 'nothing'}, not ${expected.join() || 'nothing'}`]
}

/** What has come and was not signed as it should be. */
const unverified = (stage: Stage) => stage.receiver.messages.unverified

/** Those who are told what becomes of an upload. */
export const webhooks: readonly Life[] = [
  {
    name: 'webhooks and a callback',
    about: 'Receiver /endpoint',
    async prepare(stage) {
      await listen(stage, '/endpoint', ['upload.processing', 'upload.complete'])
      stage.receiver.listen(callback, (await administer(stage, '/callback-secret')).secret)
    },
    async run(stage) {
      await putSmall(stage, { 'x-callback-url': stage.receiver.url + callback })
      await stage.deliver()
    },
    settled: expectSettled,
    judge(stage, { present, events }: State) {
      // A second attempt of the file is told as well, under numbers of its own.
      const expected = (...kinds: string[]) =>
        events.filter(({ kind }) => kinds.includes(kind)).map(({ kind, number }) => `${number} upload.${kind}`)
      return [
        ...unverified(stage),
        ...(isGood(stage.answers[0]) && present.length !== 1 ? ['the upload is not there'] : []),
        ...expectTold(stage, '/endpoint', expected('processing', 'complete')),
        ...expectTold(stage, callback, expected('complete')),
      ]
    },
  },
  {
    name: 'webhooks, one gone',
    about: 'Receiver /gone',
    async prepare(stage) {
      await listen(stage, '/gone', ['upload.pending'], 410)
      await listen(stage, '/watching', ['webhook.disabled'])
    },
    async run(stage) {
      await putSmall(stage)
      await stage.deliver()
    },
    async settled(stage) {
      await expectSettled(stage)
      const [{ disabled } = { disabled: 0 }] = await allRows<{ disabled: number }>(
        `SELECT count(*) AS disabled FROM webhook_endpoints WHERE disabled_reason = 'gone'`,
      )
      const isTold = told(stage, '/gone').length > 0
      if (disabled !== Number(isTold)) stage.wrong.push(`${disabled} endpoints are disabled`)
    },
    judge(stage, { present }: State) {
      const isThere = present.length === 1
      return [
        ...unverified(stage),
        ...expectTold(stage, '/gone', isThere ? ['1 upload.pending'] : []),
        ...expectTold(stage, '/watching', isThere ? [' webhook.disabled'] : []),
      ]
    },
  },
]
