import { connect } from 'cloudflare:sockets'
import type { SocketAddress } from '../core/socket-address.ts'
import type { Said } from './answers.ts'

/** More than any answer of clamd has. */
const maxAnswerBytes = 4096

/**
 * One connection to clamd, which ends with its answer. The answer is read from the beginning on: past a limit of its own
 * clamd answers and closes, and who writes without reading never learns why.
 */
export class Conversation {
  /** Settles with what was said when clamd has closed the connection, or it broke, or `stop` was aborted. Never rejects. */
  readonly said: Promise<Said>
  readonly #socket: Socket
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  /** Rejects as soon as there is no use in sending more. */
  readonly #over = Promise.withResolvers<never>()
  #isOver = false

  constructor({ hostname, port }: SocketAddress, stop: AbortSignal) {
    this.#socket = connect({ hostname, port })
    this.#writer = this.#socket.writable.getWriter()
    // Each of these is looked at where it matters, and may end when nobody looks any more.
    for (const promise of [this.#over.promise, this.#socket.opened, this.#socket.closed]) promise.catch(() => {})
    this.said = this.#listen(stop)
  }

  /** Throws when clamd has begun to answer, or the connection is over. The bytes may be used again afterwards. */
  async send(bytes: Uint8Array): Promise<void> {
    this.#requireSilence()
    await Promise.race([this.#over.promise, this.#writer.write(bytes)])
  }

  /** Sends the last of it; the answer may be there before this is known to be sent. Throws as `send` does. */
  finish(bytes: Uint8Array): void {
    this.#requireSilence()
    this.#writer.write(bytes).catch(() => {})
  }

  /** Breaks the connection off. */
  close(): void {
    this.#socket.close().catch(() => {})
  }

  async #listen(stop: AbortSignal): Promise<Said> {
    const stopped = new Promise<never>((_resolve, reject) => {
      if (stop.aborted) reject(stop.reason)
      stop.addEventListener('abort', () => reject(stop.reason), { once: true })
    })
    const decoder = new TextDecoder('latin1')
    const reader = this.#socket.readable.getReader()
    let text = ''
    try {
      while (text.length <= maxAnswerBytes) {
        const { done, value } = await Promise.race([reader.read(), stopped])
        this.#end(new Error('clamd has answered, or closed the connection.'))
        if (done) return { text, isWhole: true }
        text += decoder.decode(value)
      }
    } catch (error) {
      // What was said until then may be a finding.
      this.#end(error)
    } finally {
      this.close()
    }
    return { text, isWhole: false }
  }

  #end(reason: unknown): void {
    this.#isOver = true
    this.#over.reject(reason)
  }

  #requireSilence(): void {
    if (this.#isOver) throw new Error('clamd has answered, or closed the connection, before it had everything.')
  }
}
