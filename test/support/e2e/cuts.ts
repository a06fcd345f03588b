import { multipartType } from './bodies.ts'
import type { TestDomain } from './domains.ts'
import type { LocalWorker } from './local-worker.ts'
import { RawConnection } from './raw-connection.ts'

/** How a connection ends before its time: in order, with everything before it delivered, or at once. */
export type Ending = 'FIN' | 'RST'

/** A chunked form is cut within its only chunk. */
export type BodyKind = 'form' | 'chunked form' | 'file'

/** A request that is sent up to a point, and no further. */
export interface Cut {
  domain: TestDomain
  body: Buffer
  /** How the body is sent: a form with its length unless this says otherwise. */
  as?: BodyKind
  /** How many bytes of the body are sent. */
  sentBytes: number
  ending: Ending
  /** What must have come to pass before the connection is cut; by default nothing. */
  until?: () => Promise<unknown>
}

/**
 * Sends an upload up to a point and cuts the connection. After a FIN it waits for an answer or the connection's end, and
 * gives the answer's status, which may be that of the development server's own proxy. After a RST nobody hears anything.
 */
export async function sendAndCut(
  worker: LocalWorker,
  { domain, body, as = 'form', sentBytes, ending, until }: Cut,
): Promise<number | undefined> {
  const connection = await RawConnection.open(worker.port)
  try {
    const [method, target] = as === 'file' ? ['PUT', '/v1/uploads/cut.txt'] : ['POST', '/v1/uploads']
    const isChunked = as === 'chunked form'
    await connection.sendHead(method, target, {
      Host: domain.host,
      'Content-Type': as === 'file' ? 'text/plain' : multipartType,
      ...(isChunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': body.length }),
    })
    if (isChunked) await connection.send(`${body.length.toString(16)}\r\n`)
    await connection.send(body.subarray(0, sentBytes))
    await until?.()
    if (ending === 'RST') {
      connection.reset()
      return undefined
    }
    await connection.halfClose()
    const answer = await connection.answer().catch(() => undefined)
    return answer?.status
  } finally {
    connection.close()
  }
}

/** Runs `work` on each item, at most `atOnce` at a time, and stops at the first that fails. */
export async function inParallel<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  const workers = Array.from({ length: atOnce }, async () => {
    for (const item of rest) await work(item)
  })
  await Promise.all(workers)
}
