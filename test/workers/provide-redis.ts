import type { TestProject } from 'vitest/node'
import { redisMissing, startRedisServer } from '../redis/redis-server.ts'
import { startUpstashBridge } from '../redis/upstash-bridge.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A Redis behind Upstash's protocol, or why there is none. */
    redis: { url: string; token: string } | { missing: string }
  }
}

/** Starts, beside the runtime of the tests, what cannot run in it. Returns how to stop it. */
export default async function setup({ provide }: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (redisMissing) {
    provide('redis', { missing: redisMissing })
    return undefined
  }
  const server = await startRedisServer()
  const bridge = await startUpstashBridge(server.port)
  provide('redis', { url: bridge.url, token: bridge.token })
  return async () => {
    await bridge.close()
    await server.stop()
  }
}
