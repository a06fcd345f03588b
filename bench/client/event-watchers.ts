import { type ClientRequest, request } from 'node:http'

export interface WatchTarget {
  port: number
  host: string
  path: string
  headers: Record<string, string>
}

/** Open event streams, each on a connection of its own. */
export interface EventWatchers {
  /** Resolves with the time (`performance.now()`) at which the last of them has got a chunk with this text in it. */
  allSaw(text: string): Promise<number>
  close(): void
}

/** Opens so many streams of server-sent events, a hundred at a time, and resolves when all of them have begun. */
export async function watchEvents(target: WatchTarget, count: number): Promise<EventWatchers> {
  let seen: ((chunk: string) => void) | undefined
  const open: ClientRequest[] = []
  const openOne = () =>
    new Promise<void>((resolve, reject) => {
      const { port, path, host, headers } = target
      const call = request({ host: '127.0.0.1', port, path, agent: false, headers: { host, ...headers } }, (answer) => {
        if (answer.statusCode !== 200) return reject(new Error(`A watcher got ${answer.statusCode}.`))
        answer.on('data', (chunk: Buffer) => seen?.(chunk.toString('latin1')))
        // What ends the streams ends them all; nobody listens any more.
        answer.on('error', () => {})
        answer.once('data', () => resolve())
      })
      call.on('error', reject)
      call.end()
      open.push(call)
    })
  for (let opened = 0; opened < count; opened += 100) {
    await Promise.all(Array.from({ length: Math.min(100, count - opened) }, openOne))
  }
  return {
    allSaw: (text) =>
      new Promise((resolve) => {
        let left = count
        seen = (chunk) => {
          if (chunk.includes(text) && --left === 0) resolve(performance.now())
        }
      }),
    close: () => {
      for (const call of open) call.destroy()
    },
  }
}
