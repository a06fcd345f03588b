import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startMeddlingProxy } from '../e2e/meddling-proxy.ts'

const never = Number.POSITIVE_INFINITY

/** A network between client and server that fails as a test says, and what has passed through it. */
export interface RoughNetwork {
  url: string
  /** Cuts the connection that has brought so many bytes to the server, once. */
  cutAtBytes: number
  /** A connection that has brought so many bytes to the server is silent from then on. */
  silentAtBytes: number
  /** Cuts the stream of events that has brought so many bytes to the client, once. */
  cutStreamAtBytes: number
  cuts: number
  /** Where the appends of resumable uploads began. */
  offsets: number[]
  /** It works again, and has seen nothing. */
  reset(): void
  close(): Promise<void>
}

/** Starts such a network before a port on loopback. Clients are told to come back to a stream at once. */
export async function startRoughNetwork(port: number): Promise<RoughNetwork> {
  /** The connections that have become a stream of events, with what they had brought to the client until then. */
  const streams = new Map<number, number>()
  const network: RoughNetwork = {
    url: '',
    cutAtBytes: never,
    silentAtBytes: never,
    cutStreamAtBytes: never,
    cuts: 0,
    offsets: [],
    reset: () => {
      streams.clear()
      Object.assign(network, { cutAtBytes: never, silentAtBytes: never, cutStreamAtBytes: never, cuts: 0, offsets: [] })
    },
    close: () => proxy.close(),
  }
  const proxy = await startMeddlingProxy(port, {
    toServer: (chunk, passage) => {
      const fields = chunk.toString('latin1').matchAll(/^upload-offset: (\d+)/gim)
      network.offsets.push(...[...fields].map(([, offset]) => Number(offset)))
      if (passage.bytesToServer >= network.cutAtBytes) {
        network.cutAtBytes = never
        network.cuts++
        passage.cut()
      }
      return passage.bytesToServer >= network.silentAtBytes ? Buffer.alloc(0) : chunk
    },
    toClient: (chunk, passage) => {
      const text = chunk.toString('latin1').replace(/^retry: \d{4}$/m, 'retry: 0001')
      if (text.includes('text/event-stream')) streams.set(passage.index, passage.bytesToClient)
      const before = streams.get(passage.index)
      const room = before === undefined ? never : network.cutStreamAtBytes - (passage.bytesToClient - before)
      if (text.length < room) return Buffer.from(text, 'latin1')
      network.cutStreamAtBytes = never
      network.cuts++
      setImmediate(() => passage.cut())
      return Buffer.from(text.slice(0, Math.max(0, room)), 'latin1')
    },
  })
  network.url = proxy.url.replace('localhost', '127.0.0.1')
  return network
}

/** A server that is no Stevedore: it has nothing, and lets every page know. */
export async function startStranger(): Promise<{ url: string; close(): void }> {
  const server = createServer(({ method }, response) => {
    const isPreflight = method === 'OPTIONS'
    response.writeHead(isPreflight ? 204 : 404, {
      'access-control-allow-origin': '*',
      'access-control-allow-headers': '*',
      'access-control-allow-methods': '*',
    })
    response.end(isPreflight ? undefined : '<h1>Not found</h1>')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
