import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import { readWait } from '../../src/core/prefer.ts'
import { adminToken, call, expectProblem, expectStatus, makeDomain } from '../support/workers/client.ts'
import { appWith, faultyD1 } from '../support/workers/faults.ts'
import { makeFile, moveSilently, send, sendWithChange, work } from '../support/workers/moving-files.ts'

vi.setConfig({ testTimeout: 30_000 })

const asAdmin = { key: adminToken, send }
test('a status call reads the file and its steps, and nothing else', async () => {
  const file = await makeFile(await makeDomain())
  const asked: string[] = []
  const watched = appWith({ env: { DB: faultyD1(env.DB, (sql) => void asked.push(sql)) } })
  for (let time = 0; time < 2; time++) {
    asked.length = 0
    expectStatus(await call('GET', `${file.url}/status`, { key: adminToken, send: watched }), 200)
  }
  expect(asked).toEqual([expect.stringMatching(/ from "uploaded_files"/), expect.stringMatching(/ from "step_runs"/)])
})

describe('a status call that waits', () => {
  const ask = (url: string, wait: string, query = '') =>
    call('GET', `${url}/status${query}`, { send, headers: { prefer: `wait=${wait}` } })

  test('returns as soon as the upload changes', async () => {
    const file = await makeFile(await makeDomain())
    const asking = ask(file.url, '30')
    await work()
    const answer = await asking
    expect(answer.headers.get('preference-applied')).toBe('wait=30')
    expect(answer.json.lastEvent).toBeGreaterThan(1)
  })

  test('returns at once when it knows less than there is, or nothing more will happen', async () => {
    const file = await makeFile(await makeDomain())
    expect((await ask(file.url, '60', '?after=0')).json).toMatchObject({ status: 'pending', lastEvent: 1 })
    await work()
    expect((await ask(file.url, '60')).json).toMatchObject({ status: 'complete', lastEvent: 3 })
    expect((await ask(file.url, '60', '?after=99')).json).toMatchObject({ status: 'complete', lastEvent: 3 })
  })

  test('does not miss what happens just before it begins to wait', async () => {
    const file = await makeFile(await makeDomain())
    const change = () => moveSilently(file.id, 'processing')
    const headers = { prefer: 'wait=60' }
    const answer = await call('GET', `${file.url}/status`, { send: sendWithChange(change), headers })
    expect(answer.json).toMatchObject({ status: 'processing', lastEvent: 2 })
  })

  test('passes over what its client knows already', async () => {
    const file = await makeFile(await makeDomain())
    const asking = ask(file.url, '30', '?after=2')
    await moveSilently(file.id, 'processing')
    await moveSilently(file.id, 'pending')
    expect((await asking).json).toMatchObject({ status: 'pending', lastEvent: 3 })
  })

  test('returns with what there is when the time is over, and leaves nothing behind', async () => {
    const domain = await makeDomain()
    const file = await makeFile(domain)
    const answer = await ask(file.url, '1')
    expect(answer.headers.get('preference-applied')).toBe('wait=1')
    expect(answer.json).toMatchObject({ status: 'pending', lastEvent: 1 })
    await runInDurableObject(env.WATCHERS.getByName(domain.id), (instance) => expect(instance.watcherCount).toBe(0))
  })

  test('is told when the upload is deleted meanwhile', async () => {
    const file = await makeFile(await makeDomain())
    const asking = ask(file.url, '30')
    expectStatus(await call('DELETE', file.url, asAdmin), 204)
    expectProblem(await asking, 410, 'upload-deleted')
  })

  test('is an ordinary one without the preference, or with one that can’t be read', async () => {
    const file = await makeFile(await makeDomain())
    for (const headers of [{}, { prefer: 'wait=soon' }, { prefer: 'respond-async' }] as Record<string, string>[]) {
      const answer = await call('GET', `${file.url}/status`, { send, headers })
      expectStatus(answer, 200)
      expect(answer.headers.get('preference-applied')).toBeNull()
    }
  })

  test.each([
    [undefined, null],
    ['', null],
    ['wait', null],
    ['wait=', null],
    ['wait=0', 0],
    ['wait=10', 10],
    ['WAIT = 10', 10],
    ['wait="10"', 10],
    ['wait=61', 60],
    ['wait=999999999', 60],
    ['wait=-1', null],
    ['wait=1.5', null],
    ['wait=1e1', null],
    ['waiting=10', null],
    ['respond-async, wait=10', 10],
    ['respond-async; x=1, wait=10; strict', 10],
    ['wait=10, wait=20', 10],
    ['wait=x, wait=20', null],
  ])('reads %s as %s seconds', (header, seconds) => expect(readWait(header, 60)).toBe(seconds))
})
