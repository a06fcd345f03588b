import { startRedisServer } from './redis-server.ts'
import { RedisError, type Reply, RespConnection } from './resp-connection.ts'
import { startUpstashBridge, type UpstashBridge } from './upstash-bridge.ts'

/** A Redis that can be reached as one of Upstash, and directly. */
export interface UpstashRedis {
  bridge: UpstashBridge
  /** What the Worker is configured with. */
  vars: { UPSTASH_REDIS_REST_URL: string; UPSTASH_REDIS_REST_TOKEN: string }
  /** Sends a command past the bridge; bytes come back as text, and an error is thrown. */
  send(...command: (string | number)[]): Promise<Plain>
  stop(): Promise<void>
}

export type Plain = string | number | null | Plain[]

/** Starts a real redis-server, empty, and a server that speaks Upstash's REST protocol for it. */
export async function startUpstashRedis(): Promise<UpstashRedis> {
  const server = await startRedisServer()
  const bridge = await startUpstashBridge(server.port)
  const connection = await RespConnection.open(server.port)
  return {
    bridge,
    vars: { UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: bridge.token },
    send: async (...command) => {
      const [reply] = await connection.sendAll([command])
      return toPlain(reply ?? null)
    },
    stop: async () => {
      connection.close()
      await bridge.close()
      await server.stop()
    },
  }
}

function toPlain(reply: Reply): Plain {
  if (reply instanceof RedisError) throw reply
  if (Array.isArray(reply)) return reply.map(toPlain)
  return Buffer.isBuffer(reply) ? reply.toString() : reply
}
