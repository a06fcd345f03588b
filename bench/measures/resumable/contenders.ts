import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../client/client.ts'
import { expectSuccess } from '../../client/expect-success.ts'
import { type RequestPlan, rawBody } from '../../client/http-request.ts'
import type { TusPlan } from '../../client/tus-uploads.ts'
import { administer, application, hostOf } from '../../runtime/application.ts'
import type { Runtime, WorkerToRun } from '../../runtime/runtime.ts'
import type { TusServer } from '../../runtime/tus-server.ts'

const host = hostOf('demo')

/** The application, and R2 taking the bytes as they come. */
export const workers: WorkerToRun[] = [{ name: 'plain', entry: 'bench/workers/plain.ts' }, application()]

/** How much a plan brings, and how. */
export type Amount = Pick<TusPlan, 'uploads' | 'bytes' | 'appendBytes'> & { areJoined?: boolean }

/** Brings uploads to the application, until the last of them is accepted. */
export async function bringToUs(client: Client, runtime: Runtime, amount: Amount): Promise<void> {
  const { paths } = await client.bringByTus({ port: runtime.port('app'), host, path: '/v1/tus', ...amount })
  // Whoever has sent the last byte has been told; what is joined of pieces comes later, and asking disturbs nothing.
  if (amount.areJoined) await untilAccepted(runtime, (paths[0] as string).split('/').at(-1) as string)
}

/** Brings uploads to @tus/server, which can't join pieces with its file store: they stay as they are. */
export async function bringToNode(client: Client, { port }: TusServer, amount: Amount): Promise<void> {
  await client.bringByTus({ port, host: '127.0.0.1', path: '/files', ...amount, areJoined: false })
}

/** Sends the same bytes to R2 in one request. */
export async function putRaw(client: Client, runtime: Runtime, bytes: number): Promise<void> {
  await put(client, runtime, `/put/${crypto.randomUUID()}`, bytes)
}

/** Has as many bytes written to R2 in parts, none of which was sent. */
export async function putParts(client: Client, runtime: Runtime, bytes: number): Promise<void> {
  await put(client, runtime, `/parts/${crypto.randomUUID()}/${bytes}`, 0)
}

async function put(client: Client, runtime: Runtime, path: string, bytes: number): Promise<void> {
  const plan: RequestPlan = {
    port: runtime.port('plain'),
    method: 'PUT',
    path,
    host: 'bench.test',
    body: rawBody(bytes),
  }
  expectSuccess(await client.stream([plan]))
}

async function untilAccepted(runtime: Runtime, id: string): Promise<void> {
  const path = `/v1/uploads/${id}/status`
  while (JSON.parse(await administer(runtime, 'app', { method: 'GET', host, path })).status === 'uploading') {
    await sleep(20)
  }
}
