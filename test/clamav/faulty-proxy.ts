import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** What stands between the Worker and clamd. Numbers count bytes of one connection. */
export interface Behaviour {
  /** The answer comes so much later. */
  delayMs?: number
  /** The answer never comes, and the connection stays. */
  isMute?: boolean
  /** From here on nothing more is taken, and the connection stays. */
  stallAfter?: number
  /** Here the connection is reset. */
  resetAfter?: number
  /** Here the daemon is killed. */
  killAfter?: number
  /** The answer ends here, as if it were all of it (FIN), or with a reset. */
  cutAnswerAfter?: number
  resetsAnswer?: boolean
  /** Instead of the daemon somebody answers this, when so many bytes have come, or the zero that ends the stream. */
  says?: string
  saysAfter?: number | 'the end'
}

/** Starts a proxy in front of a daemon, on a port of its own. */
export function startFaultyProxy(
  daemon: { port: number; kill(): Promise<void> },
  behaviour: Behaviour,
): Promise<{ port: number; server: Server }> {
  const server = createServer((client) => serve(client, daemon, behaviour))
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve({ port: (server.address() as AddressInfo).port, server })),
  )
}

function serve(client: Socket, daemon: { port: number; kill(): Promise<void> }, behaviour: Behaviour): void {
  client.on('error', () => {})
  if (behaviour.says !== undefined) {
    pretend(client, behaviour.says, behaviour.saysAfter ?? 0)
    return
  }
  const upstream = connect({ port: daemon.port, host: '127.0.0.1', allowHalfOpen: true })
  upstream.on('error', () => client.destroy())
  let taken = 0
  client.on('data', (data) => {
    taken += data.length
    if (behaviour.resetAfter !== undefined && taken > behaviour.resetAfter) {
      client.resetAndDestroy()
      upstream.destroy()
    } else if (behaviour.stallAfter !== undefined && taken > behaviour.stallAfter) {
      client.pause()
    } else {
      if (behaviour.killAfter !== undefined && taken > behaviour.killAfter) void daemon.kill()
      if (!upstream.write(data)) {
        client.pause()
        upstream.once('drain', () => client.resume())
      }
    }
  })
  client.once('close', () => upstream.destroy())
  if (!behaviour.isMute) answer(client, upstream, behaviour)
}

/** Hands the daemon's answer on, as much of it as is to come through. */
function answer(client: Socket, upstream: Socket, { delayMs = 0, cutAnswerAfter, resetsAnswer }: Behaviour): void {
  const pieces: Buffer[] = []
  upstream.on('data', (data) => pieces.push(data))
  upstream.once('end', () =>
    setTimeout(() => {
      const whole = Buffer.concat(pieces)
      const part = whole.subarray(0, cutAnswerAfter ?? whole.length)
      if (resetsAnswer) client.write(part, () => client.resetAndDestroy())
      else client.end(part)
    }, delayMs),
  )
}

function pretend(client: Socket, says: string, saysAfter: number | 'the end'): void {
  let taken = 0
  let hasSpoken = false
  client.on('data', (data) => {
    if (data.includes('zVERSION')) client.end()
    taken += data.length
    const isDue = saysAfter === 'the end' ? data.subarray(-4).equals(Buffer.alloc(4)) : taken >= saysAfter
    if (hasSpoken || !isDue) return
    hasSpoken = true
    client.end(says, 'latin1')
  })
}
