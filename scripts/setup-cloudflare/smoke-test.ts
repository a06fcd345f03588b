import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Upload, UploadStatus } from '../../cli/api.ts'
import { type Client, segment } from '../../cli/client.ts'
import { CommandError, Refused } from '../../cli/errors.ts'
import { Failure } from '../failure.ts'
import type { PrivateNotes } from './private-notes.ts'

const pollMilliseconds = 1000
const waitSeconds = 30
const completeSeconds = 120

/**
 * Waits until `/healthz` says that the Worker is up and configured: a new hostname has its certificate after some
 * minutes. Throws a `Failure` with the last answer when that takes longer than `withinSeconds`.
 */
export async function waitUntilHealthy(client: Client, withinSeconds: number): Promise<void> {
  const deadline = Date.now() + withinSeconds * 1000
  for (;;) {
    try {
      await client.json('GET', '/healthz')
      return
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      if (Date.now() > deadline) {
        const { origin } = client.settings.url
        throw new Failure(
          `${origin} was not healthy within ${withinSeconds} seconds. ${error.message}\nIs the host's zone on this account? A new hostname may need some minutes more for its certificate: run this again then.`,
        )
      }
    }
    await sleep(pollMilliseconds, undefined, { signal: client.signal })
  }
}

/** What became of the test upload: `refused` by the domain's own policy says nothing about the deployment. */
export type TestUpload = { outcome: 'complete'; milliseconds: number } | { outcome: 'refused'; reason: string }

const filename = 'stevedore-setup.txt'
const content = Buffer.from('Written by the setup of Stevedore, and deleted by it.\n')
const endStatuses = new Set(['complete', 'failed', 'quarantined'])
const policyCodes = new Set([
  ...['type-not-allowed', 'extension-not-allowed', 'file-too-large', 'request-too-large'],
  ...['metadata-invalid', 'quota-exceeded', 'domain-suspended'],
])

/**
 * Uploads a small text, waits until it is complete, and deletes it. The `Idempotency-Key` is written down before, so that
 * the run after one that was cut off goes on with the same file. Throws a `Failure` when the file ends otherwise or not
 * at all, and `Refused` when the server does not take it for another reason than the domain's policy.
 */
export async function tryUpload(client: Client, notes: PrivateNotes): Promise<TestUpload> {
  const started = Date.now()
  const idempotencyKey = notes.now.testUpload ?? randomUUID()
  await notes.change({ testUpload: idempotencyKey })
  try {
    const { id } = await client.json<Upload>('PUT', `/v1/uploads/${filename}`, {
      headers: {
        'content-type': 'text/plain',
        'content-length': String(content.byteLength),
        'idempotency-key': idempotencyKey,
      },
      body: async function* () {
        yield content
      },
      repeatable: 'always',
    })
    const { status, failure } = await waitUntilEnded(client, id)
    await notes.change({ testUpload: undefined })
    if (status !== 'complete') {
      throw new Failure(`The test upload ${id} ended ${status}: ${failure?.code}, ${failure?.detail}`)
    }
    await client.json('DELETE', `/v1/uploads/${segment(id)}`)
  } catch (error) {
    const code = error instanceof Refused ? (error.problem.code ?? '') : ''
    if (policyCodes.has(code)) return { outcome: 'refused', reason: (error as Refused).message }
    // The run before was cut off after it had deleted the file.
    if (code !== 'upload-deleted') throw error
    await notes.change({ testUpload: undefined })
  }
  return { outcome: 'complete', milliseconds: Date.now() - started }
}

/** The status of an upload when nothing more happens to it by itself. */
async function waitUntilEnded(client: Client, id: string): Promise<UploadStatus> {
  const deadline = Date.now() + completeSeconds * 1000
  do {
    const upload = await client.json<UploadStatus>('GET', `/v1/uploads/${segment(id)}/status`, {
      headers: { prefer: `wait=${waitSeconds}` },
    })
    if (endStatuses.has(upload.status)) return upload
  } while (Date.now() < deadline)
  throw new Failure(
    `The test upload ${id} was taken and is not processed after ${completeSeconds} seconds. Do its jobs arrive? See "npx wrangler tail --env production".`,
  )
}
