import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { RedisError, type Reply, RespConnection } from './resp-connection.ts'

type Command = readonly unknown[]

/**
 * How a request goes wrong. `error-before`: Redis never sees it, the answer is a 503. `error-after`: Redis does what it
 * asks, the answer is a 503. `cut-after`: the same, and the connection is cut. `hang`: Redis never sees it, and there is
 * no answer.
 */
export type Fault = 'error-before' | 'error-after' | 'cut-after' | 'hang'

export interface UpstashBridge {
  url: string
  token: string
  /** Every request since the start, as its commands, in order of arrival. */
  requests: readonly (readonly Command[])[]
  /** Lets the next `times` requests go wrong: of all, or of those with this command. */
  failNext(times: number, fault: Fault, command?: string): void
  /** Nothing goes wrong any more. */
  heal(): void
  /** Resolves when there has been no request for a tenth of a second. */
  quiet(): Promise<void>
  close(): Promise<void>
}

/** The commands of a request, and how its replies are put into the answer. */
const endpoints = new Map<string, { wrap: boolean; commands(body: unknown[]): Command[] }>([
  ['/', { wrap: false, commands: (body) => [body] }],
  ['/pipeline', { wrap: true, commands: (body) => body as Command[] }],
  ['/multi-exec', { wrap: true, commands: (body) => [['MULTI'], ...(body as Command[]), ['EXEC']] }],
])

/**
 * A server on loopback that speaks Upstash's REST protocol and hands every command to the real Redis on `redisPort`: as
 * much of it as the official client uses for commands, pipelines, transactions and scripts.
 */
export async function startUpstashBridge(redisPort: number, token = 'test-redis-token'): Promise<UpstashBridge> {
  const redis = await RespConnection.open(redisPort)
  const requests: (readonly Command[])[] = []
  const faults: { left: number; fault: Fault; command: string | undefined }[] = []

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const endpoint = endpoints.get(request.url ?? '')
    if (request.headers.authorization !== `Bearer ${token}`) return void send(401, { error: 'Unauthorized' })
    if (!endpoint || request.method !== 'POST') return void send(404, { error: 'ERR no such endpoint' })
    const commands = endpoint.commands(JSON.parse(Buffer.concat(chunks).toString())).map(withoutFlags)
    requests.push(commands)
    const names = commands.map(([name]) => String(name).toUpperCase())
    const planned = faults.find(({ left, command }) => left > 0 && (!command || names.includes(command)))
    if (planned) planned.left -= 1
    if (planned?.fault === 'hang') return
    if (planned?.fault === 'error-before') return void send(503, { error: 'ERR test: refused' })
    const replies = await redis.sendAll(commands)
    if (planned?.fault === 'error-after') return void send(503, { error: 'ERR test: answer withheld' })
    if (planned?.fault === 'cut-after') return void request.socket.destroy()
    // The answer to a transaction is that of its EXEC: one reply a command, or one error that discards them all.
    const isTransaction = request.url === '/multi-exec'
    const last = isTransaction ? (replies.at(-1) ?? null) : null
    if (last instanceof RedisError) return void send(400, { error: last.message })
    const isBase64 = request.headers['upstash-encoding'] === 'base64'
    const items = (Array.isArray(last) ? last : replies).map((reply) => toItem(reply, isBase64))
    if (endpoint.wrap) send(200, items)
    else send(items[0] && 'error' in items[0] ? 400 : 200, items[0])
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.destroy(error))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    requests,
    failNext: (times, fault, command) => void faults.push({ left: times, fault, command }),
    heal: () => void faults.splice(0),
    quiet: async () => {
      for (let before = -1; before < requests.length; await sleep(100)) before = requests.length
    },
    close: async () => {
      redis.close()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** Upstash's own flag on scripts, which a real Redis refuses. */
function withoutFlags(command: Command): Command {
  return command.map((part) =>
    typeof part === 'string' ? part.replace(/^#!lua flags=allow-key-locking/, '#!lua') : part,
  )
}

function toItem(reply: Reply, isBase64: boolean): { result: unknown } | { error: string } {
  return reply instanceof RedisError ? { error: reply.message } : { result: toJson(reply, isBase64) }
}

function toJson(reply: Reply, isBase64: boolean): unknown {
  if (Array.isArray(reply)) return reply.map((item) => toJson(item, isBase64))
  if (reply instanceof RedisError) return reply.message
  if (Buffer.isBuffer(reply)) return reply.toString(isBase64 ? 'base64' : 'utf8')
  // Of what is no bulk string, Upstash leaves only "OK" as it is.
  return typeof reply === 'string' && reply !== 'OK' && isBase64 ? Buffer.from(reply).toString('base64') : reply
}
