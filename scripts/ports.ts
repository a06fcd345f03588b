import { createServer } from 'node:net'
import { Failure } from './failure.ts'

const loopback = '127.0.0.1'

/** Listens on `port` for a moment (0: any free one) and gives the port that it got. */
function claimPort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host: loopback, port }, () => {
      const address = server.address()
      const claimed = typeof address === 'object' && address ? address.port : port
      server.close(() => resolve(claimed))
    })
  })
}

/** A port that nothing listens on. */
export const findFreePort = () => claimPort(0)

/** Throws a `Failure` that says what to do when something listens on `port` already. */
export async function requireFreePort(port: number): Promise<void> {
  await claimPort(port).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') {
      throw new Failure(`Port ${port} is in use. Stop what uses it, or take another: PORT=${port + 1} npm run dev`)
    }
    if (error.code === 'EACCES') throw new Failure(`Port ${port} may not be used without special rights.`)
    throw error
  })
}

/** Reads a port from the environment; throws a `Failure` when it is none. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port >= 1 && port <= 65535) return port
  throw new Failure(`PORT must be a number from 1 to 65535, not "${text}".`)
}
