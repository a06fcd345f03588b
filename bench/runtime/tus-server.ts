import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fastestFolder } from './fastest-folder.ts'

/** A tus server on Node, in a process of its own. */
export interface TusServer {
  pid: number
  port: number
  /** Removes all that was uploaded. */
  clear(): Promise<void>
  stop(): Promise<void>
}

/** Starts @tus/server with its file store, which keeps its files where the runtime keeps its state. */
export async function startTusServer(): Promise<TusServer> {
  const folder = await mkdtemp(join(await fastestFolder(), 'stevedore-bench-tus-'))
  const server = fork(join(import.meta.dirname, '../servers/tus-file-store.ts'), [folder])
  const [port] = (await once(server, 'message')) as [number]
  return {
    pid: server.pid as number,
    port,
    clear: async () => {
      for (const name of await readdir(folder)) await rm(join(folder, name))
    },
    stop: async () => {
      server.disconnect()
      await once(server, 'exit')
      await rm(folder, { recursive: true, force: true })
    },
  }
}
