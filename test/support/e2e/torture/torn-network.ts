import { type IncomingHttpHeaders, request } from 'node:http'
import { expect } from 'vitest'
import type { KeptServer } from '../kept-server.ts'
import type { Chance } from './chance.ts'

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
}

/** A network whose connections are cut at random bytes, to a server that is killed now and then. */
export class TornNetwork {
  readonly #server: KeptServer
  readonly chance: Chance

  constructor(server: KeptServer, chance: Chance) {
    this.#server = server
    this.chance = chance
  }

  /** One request. Null: there was no answer. */
  send(method: string, path: string, headers: Record<string, string>, body?: Buffer): Promise<Reply | null> {
    const isCut = this.chance.happens(body ? 0.4 : 0.1)
    const cutAfter = isCut ? this.chance.below(body?.length ?? 0) : null
    return new Promise((resolve) => {
      const length = body ? { 'content-length': String(body.length) } : {}
      const message = request(
        {
          host: '127.0.0.1',
          port: this.#server.port,
          method,
          path,
          agent: false,
          headers: { host: this.#server.host, ...length, ...headers },
        },
        (response) => {
          response.resume()
          response.once('error', () => resolve(null))
          response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }))
        },
      )
      // Who has lost a connection does not come again at once.
      message.once('error', () => setTimeout(resolve, 50, null))
      message.setTimeout(30_000, () => message.destroy())
      const cut = () => setTimeout(() => message.destroy(), this.chance.below(20))
      if (cutAfter === null) message.end(body)
      else if (body) message.write(body.subarray(0, cutAfter + 1), cut)
      else message.end(cut)
    })
  }
}

/** No answer, a newer request that has come before, or a server that is about to go: all of it may be tried again. */
export function expectPassing(reply: Reply | null): void {
  expect([undefined, 400, 409, 502, 503]).toContain(reply?.status)
}

/** Whether an upload is there no more. */
export function isGone(reply: Reply | null): boolean {
  return reply?.status === 404 || reply?.status === 410
}
