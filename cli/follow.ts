import { setTimeout as sleep } from 'node:timers/promises'
import type { UploadStatus } from './api.ts'
import { type Client, segment } from './client.ts'

const finalStatuses = new Set(['complete', 'failed', 'quarantined', 'deleted'])
const firstPollMs = 100
const slowestPollMs = 3000

/** What the server says of an upload's way at this moment. `key` is a credential of its own, if it has one. */
export function readStatus(client: Client, id: string, key?: string): Promise<UploadStatus> {
  return client.json<UploadStatus>('GET', `/v1/uploads/${segment(id)}/status`, { key })
}

/** Asks for an upload's status until it changes no more, at first often, then every three seconds. */
export async function followStatus(client: Client, id: string, key?: string): Promise<UploadStatus> {
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, slowestPollMs)) {
    const status = await readStatus(client, id, key)
    if (finalStatuses.has(status.status)) return status
    await sleep(pollMs, undefined, { signal: client.signal }).catch(() => client.signal.throwIfAborted())
  }
}
