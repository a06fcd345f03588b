/** What V8 says about one isolate, by its inspector: asked from outside, so that the Worker is the one that is deployed. */
export class HeapObserver {
  readonly #socket: WebSocket
  readonly #pending = new Map<number, (message: { result?: HeapUsage }) => void>()
  #nextId = 1

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data))
      this.#pending.get(message.id)?.(message)
      this.#pending.delete(message.id)
    })
  }

  static async connect(inspectorUrl: URL, worker: string): Promise<HeapObserver> {
    const socket = new WebSocket(String(new URL(`/core:user:${worker}`, inspectorUrl)))
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', () => reject(new Error('The inspector does not answer')))
    })
    return new HeapObserver(socket)
  }

  /** The bytes behind all ArrayBuffers of the isolate, garbage that is not collected yet included. */
  async bufferBytes(): Promise<number> {
    const { result } = await this.#send('Runtime.getHeapUsage')
    if (result?.backingStorageSize === undefined)
      throw new Error('The inspector does not say how large the buffers are')
    return result.backingStorageSize
  }

  close(): void {
    this.#socket.close()
  }

  #send(method: string): Promise<{ result?: HeapUsage }> {
    const id = this.#nextId++
    return new Promise((resolve) => {
      this.#pending.set(id, resolve)
      this.#socket.send(JSON.stringify({ id, method }))
    })
  }
}

interface HeapUsage {
  backingStorageSize?: number
}
