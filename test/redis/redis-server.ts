import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RespConnection } from './resp-connection.ts'

const binary = process.env.REDIS_SERVER ?? 'redis-server'

/** Why there is no Redis to test with and how to get it, or undefined when there is one. */
export const redisMissing =
  spawnSync(binary, ['--version']).status === 0
    ? undefined
    : `there is no ${binary} (Debian: apt-get install redis-server; or set REDIS_SERVER to its path)`

export interface RedisServer {
  port: number
  stop(): Promise<void>
}

/** Starts a real, empty redis-server on a free port of loopback. It keeps nothing, and works in a folder of its own. */
export async function startRedisServer(): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'stevedore-redis-'))
  const port = await freePort()
  const settings = { port, bind: '127.0.0.1', dir: folder, save: '', appendonly: 'no', loglevel: 'warning' }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = spawn(binary, args, { stdio: 'ignore' })
  const killServer = () => server.kill('SIGKILL')
  process.once('exit', killServer)
  const stop = async () => {
    process.off('exit', killServer)
    await kill(server)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await untilReady(port, server)
    return { port, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

async function untilReady(port: number, server: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(20)) {
    if (server.exitCode !== null) throw new Error(`redis-server ended with exit code ${server.exitCode}`)
    const connection = await RespConnection.open(port).catch(() => undefined)
    const replies = await connection?.sendAll([['PING']]).catch(() => undefined)
    connection?.close()
    if (replies?.[0] === 'PONG') return
  }
  throw new Error('redis-server did not answer within 10 s')
}

async function kill(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const ended = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGKILL')
  await ended
}
