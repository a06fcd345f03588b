import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** One connection through the proxy, up to this moment. */
export interface Passage {
  /** Which connection it is; the first is 0. */
  readonly index: number
  /** The first bytes that the client sent: its request line and its fields. */
  readonly request: string
  /** What has passed before this chunk. */
  readonly bytesToServer: number
  readonly bytesToClient: number
  /** Resets the connection on the client's side. */
  cut(): void
  /** Answers in the server's place and ends the connection. */
  answer(text: string): void
}

export interface Meddling {
  /** Sees each chunk on its way, and gives what goes on in its place. */
  toServer?: (chunk: Buffer, passage: Passage) => Buffer
  toClient?: (chunk: Buffer, passage: Passage) => Buffer
}

export interface MeddlingProxy {
  url: string
  /** The requests that came in, one a connection. */
  requests: string[]
  close(): Promise<void>
}

/** A TCP proxy before a port on loopback, which cuts, changes or answers what passes through it as it is told. */
export async function startMeddlingProxy(port: number, { toServer, toClient }: Meddling): Promise<MeddlingProxy> {
  const requests: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    const passage = {
      index: requests.push('') - 1,
      request: '',
      bytesToServer: 0,
      bytesToClient: 0,
      cut: () => {
        client.resetAndDestroy()
        upstream.destroy()
      },
      answer: (text: string) => {
        client.end(text)
        upstream.destroy()
      },
    }
    client.on('data', (chunk: Buffer) => {
      if (passage.request === '') requests[passage.index] = passage.request = chunk.toString('latin1')
      const meddled = toServer?.(chunk, passage) ?? chunk
      passage.bytesToServer += chunk.length
      upstream.write(meddled)
    })
    upstream.on('data', (chunk: Buffer) => {
      const meddled = toClient?.(chunk, passage) ?? chunk
      passage.bytesToClient += chunk.length
      client.write(meddled)
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.end())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    requests,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
