import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inNode, inWorkerd, type Runtime } from '../support/client/runtimes.ts'

/** Where webhooks are received. */
const servers = [
  { name: 'Node', open: inNode },
  { name: 'workerd', open: inWorkerd },
]

describe.each(servers)('in $name', ({ open }) => {
  let runtime: Runtime
  beforeAll(async () => {
    runtime = await open()
  })
  afterAll(() => runtime?.close())

  test('a webhook is believed only when it is signed, and of now', async () => {
    const [secret, other] = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_c29tZSBvdGhlciBzZWNyZXQgb2Ygb3Vycw==']
    const body = JSON.stringify({ type: 'upload.complete', data: { upload: { filename: 'Käse.txt' } } })
    const signed = (seconds: number, key = secret!, version = '') => {
      const time = new Date(Date.now() + seconds * 1000)
      return {
        headers: {
          'webhook-id': 'msg_1',
          'webhook-timestamp': String(Math.floor(time.getTime() / 1000)),
          'webhook-signature': version + new Webhook(key).sign('msg_1', time, body),
        },
        body,
      }
    }
    const good = signed(0)
    const messages = [
      ...[good, signed(-290), signed(290), signed(0, secret, 'v1,AAAA v2,BBBB v1,%%% ')],
      signed(0, other),
      { ...good, body: body.replace('complete', 'deleted') },
      { ...good, headers: { ...good.headers, 'webhook-id': 'msg_2' } },
      { ...good, headers: { ...good.headers, 'webhook-timestamp': `${good.headers['webhook-timestamp']}0` } },
      ...[signed(-310), signed(310)],
      { ...good, headers: { 'webhook-id': 'msg_1' } as unknown as typeof good.headers },
    ]
    const all = (outcome: unknown) => [outcome, outcome, outcome]
    const unsigned = expect.stringMatching(/^No signature/)
    const untimely = expect.stringMatching(/300 seconds/)
    const refused = [unsigned, unsigned, untimely, untimely, untimely, expect.stringMatching(/headers/)]
    expect(await runtime.run('verify', { messages, secrets: [secret!] })).toEqual(
      [...Array(4).fill(JSON.parse(body)), unsigned, ...refused].map(all),
    )
    expect(await runtime.run('verify', { messages: [good, signed(0, other)], secrets: [other!, secret!] })).toEqual(
      [JSON.parse(body), JSON.parse(body)].map(all),
    )
    expect(await runtime.run('verify', { messages: [good], secrets: ['whsec_'] })).toEqual([
      all({ name: 'TypeError', message: expect.stringContaining('whsec_') }),
    ])
  })
})
