import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { BodyPlan } from './http-request.ts'
import { noise } from './noise.ts'

export interface Answer {
  status: number
  /** Where a thing was created; null where the answer does not say. */
  location: string | null
  body: string
}

const chunkBytes = 256 * 1024

/** One keep-alive connection that speaks just enough HTTP/1.1: requests one after the other, answers with a length, or of nothing. */
export class Connection {
  readonly #socket: Socket
  #received = ''
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#received += text
      this.#settle()
    })
    socket.on('error', (error) => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(new Error('The connection was closed before the answer')))
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    return new Connection(socket)
  }

  /** Sends a request that is ready as bytes. */
  send(request: Buffer): Promise<Answer> {
    const answer = this.#answer()
    this.#socket.write(request)
    return answer
  }

  /** Sends a request whose body is too large to be held, as fast as it is taken. */
  async stream(head: string, body: BodyPlan): Promise<Answer> {
    const answer = this.#answer()
    const gone = answer.then(() => 'answered' as const)
    await Promise.race([this.#writeBody(head, body), gone])
    return answer
  }

  close(): void {
    this.#socket.destroy()
  }

  async #writeBody(head: string, body: BodyPlan): Promise<void> {
    this.#socket.write(head + body.head, 'latin1')
    for (let sent = 0; sent < body.bytes; ) {
      const from = sent % noise.length
      const size = Math.min(chunkBytes, body.bytes - sent, noise.length - from)
      const more = this.#socket.write(noise.subarray(from, from + size))
      sent += size
      if (!more) await once(this.#socket, 'drain')
    }
    this.#socket.write(body.tail, 'latin1')
  }

  #answer(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  #settle(): void {
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const head = this.#received.slice(0, headEnd)
    const status = Number(head.slice(9, 12))
    const length = lengthOf(head, status)
    if (length === null) {
      this.#waiting?.reject(new Error(`The answer has no Content-Length:\n${head}`))
      return
    }
    const end = headEnd + 4 + length
    if (this.#received.length < end) return
    const location = /^location: (.*)$/im.exec(head)?.[1] ?? null
    const answer = { status, location, body: this.#received.slice(headEnd + 4, end) }
    this.#received = this.#received.slice(end)
    this.#waiting?.resolve(answer)
  }
}

/** How long what follows a head is; null where that is not known. Node writes an empty body of a 201 as one last chunk. */
function lengthOf(head: string, status: number): number | null {
  if (status === 204) return 0
  const length = /^content-length: (\d+)$/im.exec(head)?.[1]
  if (length !== undefined) return Number(length)
  return status === 201 && /^transfer-encoding: chunked$/im.test(head) ? '0\r\n\r\n'.length : null
}
