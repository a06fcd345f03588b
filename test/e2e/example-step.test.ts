import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectStatus, makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type LocalWorker, repository, startLocalWorker } from '../support/e2e/local-worker.ts'

/** The Worker of examples/steps, which has a step that src/ knows nothing of. */
let worker: LocalWorker
let domain: TestDomain

beforeAll(async () => {
  worker = await startLocalWorker({}, 'examples/steps/worker.ts')
  domain = await makeDomain(worker, { steps: [{ step: 'count-words', options: { atLeast: 3 } }] })
})
afterAll(() => worker?.stop())

test.each(['count-words.ts', 'worker.ts'])('docs/processing.md shows %s as it is', async (name) => {
  const page = await readFile(join(repository, 'docs/processing.md'), 'utf8')
  const code = await readFile(join(repository, 'examples/steps', name), 'utf8')
  expect(page).toContain(`\`\`\`ts\n${code}\`\`\``)
})

test.each([
  ['one two  three\nfour', { status: 'complete', steps: [{ name: 'count-words', result: { words: 4 } }] }],
  ['one two', { status: 'failed', failure: { code: 'too-few-words' }, steps: [{ status: 'refused' }] }],
])('a step of somebody’s own judges %j', async (content, expected) => {
  const host = `${domain.host}:${worker.port}`
  const sent = await worker.call('PUT', '/v1/uploads/words.txt', { host, body: content })
  expectStatus(sent, 202)
  await eventually(async () => {
    const shown = await worker.call('GET', `/v1/uploads/${sent.json().id}`, { host })
    expect(shown.json()).toMatchObject(expected)
  })
})

test('its options are judged like those of any other', async () => {
  const answer = await worker.call('POST', '/v1/domains', {
    headers: { authorization: 'Bearer test-admin-token', 'content-type': 'application/json' },
    body: JSON.stringify({ slug: 'refused', policy: { steps: [{ step: 'count-words', options: { atLeast: -1 } }] } }),
  })
  expectStatus(answer, 400)
  expect(answer.json().problems).toMatchObject([{ at: 'json.policy.steps.0.options.atLeast' }])
})
