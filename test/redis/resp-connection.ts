import { connect, type Socket } from 'node:net'

/** An error that Redis answered with, such as `NOGROUP No such key …`. */
export class RedisError extends Error {}

/** Status replies are strings, bulk strings are bytes: what Upstash encodes is told apart from what it does not. */
export type Reply = string | number | Buffer | null | RedisError | Reply[]

/** One connection that speaks RESP2, as much of it as commands and their replies need. */
export class RespConnection {
  readonly #socket: Socket
  readonly #waiting: { resolve(reply: Reply): void; reject(error: Error): void }[] = []
  #received = Buffer.alloc(0)
  #closed: Error | undefined

  static open(port: number): Promise<RespConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RespConnection(socket))
      })
    })
  }

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('The connection to Redis is closed')))
  }

  /** Sends the commands in one write, so that nobody else's come between, and gives a reply for each, errors included. */
  sendAll(commands: readonly (readonly unknown[])[]): Promise<Reply[]> {
    if (this.#closed) return Promise.reject(this.#closed)
    const replies = commands.map(() => new Promise<Reply>((resolve, reject) => this.#waiting.push({ resolve, reject })))
    this.#socket.write(Buffer.concat(commands.map(encode)))
    return Promise.all(replies)
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes])
    let at = 0
    for (let parsed = parse(this.#received, at); parsed; parsed = parse(this.#received, at)) {
      at = parsed.end
      this.#waiting.shift()?.resolve(parsed.reply)
    }
    this.#received = this.#received.subarray(at)
  }

  #end(error: Error): void {
    this.#closed ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#closed)
  }
}

function encode(command: readonly unknown[]): Buffer {
  const parts = command.map((part) => Buffer.from(String(part)))
  return Buffer.concat([
    Buffer.from(`*${parts.length}\r\n`),
    ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')]),
  ])
}

/** The reply that begins at `start`, and where it ends; undefined when not all of it is there yet. */
function parse(bytes: Buffer, start: number): { reply: Reply; end: number } | undefined {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd < 0) return undefined
  const kind = String.fromCharCode(bytes[start] ?? 0)
  const line = bytes.toString('utf8', start + 1, lineEnd)
  const end = lineEnd + 2
  if (kind === '+') return { reply: line, end }
  if (kind === '-') return { reply: new RedisError(line), end }
  if (kind === ':') return { reply: Number(line), end }
  const length = Number(line)
  if (length < 0) return { reply: null, end }
  if (kind === '$') {
    if (bytes.length < end + length + 2) return undefined
    return { reply: bytes.subarray(end, end + length), end: end + length + 2 }
  }
  if (kind !== '*') throw new Error(`Redis sent a reply of the unknown kind ${kind}`)
  const items: Reply[] = []
  let at = end
  while (items.length < length) {
    const item = parse(bytes, at)
    if (!item) return undefined
    items.push(item.reply)
    at = item.end
  }
  return { reply: items, end: at }
}
