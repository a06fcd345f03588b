import type { Command, LoadResult, StreamResult } from './client.ts'
import { Connection } from './connection.ts'
import { type RequestPlan, requestHead } from './http-request.ts'
import { noise } from './noise.ts'
import { bringByTus } from './tus-uploads.ts'

/** The client's side of `client.ts`: takes commands by IPC and answers each with its result. */
process.on('message', async ({ id, command }: { id: number; command: Command }) => {
  try {
    process.send?.({ id, result: await carryOut(command) })
  } catch (error) {
    process.send?.({ id, error: String(error) })
  }
})
process.on('disconnect', () => process.exit())

function carryOut(command: Command): Promise<unknown> {
  if (command.kind === 'stream') return stream(command.requests)
  if (command.kind === 'tus') return bringByTus(command.plan)
  return load(command)
}

/** Sends all requests at once, each on a connection of its own. */
async function stream(requests: readonly RequestPlan[]): Promise<StreamResult> {
  const connections = await Promise.all(requests.map((request) => Connection.open(request.port)))
  const start = performance.now()
  const answers = await Promise.all(
    requests.map((request, index) => (connections[index] as Connection).stream(requestHead(request), request.body)),
  )
  const seconds = (performance.now() - start) / 1000
  for (const connection of connections) connection.close()
  return { seconds, answers }
}

/** Sends the same request over and over on so many connections, for so many seconds. */
async function load({ request, connections, seconds }: Command & { kind: 'load' }): Promise<LoadResult> {
  const { head, bytes, tail } = request.body
  const ready = Buffer.concat([Buffer.from(requestHead(request) + head), noise.subarray(0, bytes), Buffer.from(tail)])
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(request.port)))
  const start = performance.now()
  const end = start + seconds * 1000
  const latencies: number[] = []
  const refusals: string[] = []
  await Promise.all(
    open.map(async (connection) => {
      for (let began = performance.now(); began < end; began = performance.now()) {
        const answer = await connection.send(ready)
        latencies.push(performance.now() - began)
        if (answer.status >= 300) refusals.push(`${answer.status} ${answer.body}`)
      }
    }),
  )
  const took = (performance.now() - start) / 1000
  for (const connection of open) connection.close()
  if (refusals.length > 0) throw new Error(`${refusals.length} requests were refused, the first with ${refusals[0]}`)
  latencies.sort((a, b) => a - b)
  return { requests: latencies.length, seconds: took, medianMs: latencies[latencies.length >> 1] ?? 0 }
}
