import { connect, type Socket } from 'node:net'
import { type Answer, answerOf } from './http.ts'

/**
 * A client that writes HTTP/1.1 by hand: it can send a request in any pieces, stop, go silent, close its half of the
 * connection, or cut it, which no real client does on purpose.
 */
export class RawConnection {
  /** Settles when the connection is gone, however that happened. */
  readonly closed: Promise<void>
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #wake = () => {}
  #over = false
  #error: Error | undefined

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RawConnection(socket))
      })
    })
  }

  constructor(socket: Socket) {
    this.#socket = socket
    const over = (error?: Error) => {
      this.#over = true
      this.#error ??= error
      this.#wake()
    }
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.on('error', over)
    socket.on('end', () => over())
    socket.on('close', () => over())
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes])
      this.#wake()
    })
  }

  /** Whether the server has closed its half, or the connection is gone. */
  get isOver(): boolean {
    return this.#over
  }

  /** Resolves once the operating system has taken the bytes; rejects when the connection is gone. */
  send(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** Sends the head of a request: a Host header and whatever `headers` says, and nothing else. */
  sendHead(method: string, target: string, headers: Record<string, string | number>): Promise<void> {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    return this.send(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`)
  }

  /** Sends a FIN after everything before it, and goes on reading. */
  async halfClose(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.end(() => resolve()))
  }

  /** Sends a RST. Whatever has not arrived yet is lost. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  close(): void {
    this.#socket.destroy()
  }

  /**
   * The next final answer on this connection; those of the 100s come before it. Rejects when the connection ends without
   * one.
   */
  async answer({ toHead = false } = {}): Promise<Answer & { interim: number[] }> {
    const interim: number[] = []
    for (;;) {
      const { status, headers } = await this.#head()
      if (status < 200) {
        interim.push(status)
        continue
      }
      const body = toHead || status === 204 || status === 304 ? Buffer.alloc(0) : await this.#body(headers)
      return { ...answerOf(status, headers, body), interim }
    }
  }

  async #head(): Promise<{ status: number; headers: Record<string, string> }> {
    const end = await this.#until(() => this.#received.indexOf('\r\n\r\n'))
    const [statusLine = '', ...lines] = this.#take(end + 4)
      .toString('latin1')
      .trimEnd()
      .split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3})( |$)/.exec(statusLine)?.[1])
    if (!status) throw new Error(`This is no status line: ${JSON.stringify(statusLine)}`)
    const fields = lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ])
    return { status, headers: Object.fromEntries(fields) }
  }

  async #body(headers: Record<string, string>): Promise<Buffer> {
    if (headers['transfer-encoding'] !== 'chunked') return this.#takeWhole(Number(headers['content-length'] ?? 0))
    const chunks: Buffer[] = []
    for (;;) {
      const end = await this.#until(() => this.#received.indexOf('\r\n'))
      const length = Number.parseInt(this.#take(end + 2).toString('latin1'), 16)
      const chunk = await this.#takeWhole(length + 2)
      if (length === 0) return Buffer.concat(chunks)
      chunks.push(chunk.subarray(0, -2))
    }
  }

  async #takeWhole(length: number): Promise<Buffer> {
    await this.#until(() => (this.#received.length >= length ? length : -1))
    return this.#take(length)
  }

  #take(length: number): Buffer {
    const taken = this.#received.subarray(0, length)
    this.#received = this.#received.subarray(length)
    return taken
  }

  /** Waits until `find` gives a position in what was received. */
  async #until(find: () => number): Promise<number> {
    for (;;) {
      const position = find()
      if (position >= 0) return position
      if (this.#over) {
        const got = JSON.stringify(this.#received.toString('latin1').slice(0, 200))
        throw new Error(`The connection ended before the answer did; received ${got}`, { cause: this.#error })
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
