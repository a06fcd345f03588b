import compiled from './sha256.wasm'

const blockBytes = 64
const stateWords = 8

/** The fractions of the square roots of the first 8 primes (FIPS 180-4 §5.3.3). */
const initialState = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]

/** What `scripts/make-sha256-wasm.ts` has made. One for the isolate: nothing stays in it between two calls. */
const { memory, compress } = new WebAssembly.Instance(compiled).exports as unknown as {
  memory: WebAssembly.Memory
  compress(at: number, blocks: number): void
}
const stateInWasm = new Int32Array(memory.buffer, 0, stateWords)
const inputAt = 64 * 1024
const inputInWasm = new Uint8Array(memory.buffer, inputAt)

/** What a hash knows between two pieces, as plain JSON. */
export interface SavedSha256 {
  state: number[]
  /** The bytes after the last whole block. */
  rest: number[]
  bytes: number
}

/** SHA-256 whose state can be written down and taken up again, which no native hash lets one do. */
export class ResumableSha256 {
  readonly #state: Int32Array
  readonly #rest = new Uint8Array(blockBytes)
  #bytes: number

  /** Goes on where another one has stopped, whose `save` it is given. */
  constructor(saved?: SavedSha256) {
    this.#state = Int32Array.from(saved?.state ?? initialState)
    this.#bytes = saved?.bytes ?? 0
    this.#rest.set(saved?.rest ?? [])
  }

  save(): SavedSha256 {
    return { state: [...this.#state], rest: [...this.#rest.subarray(0, this.#bytes % blockBytes)], bytes: this.#bytes }
  }

  update(piece: Uint8Array): void {
    const held = this.#bytes % blockBytes
    this.#bytes += piece.length
    let at = 0
    if (held > 0) {
      at = Math.min(blockBytes - held, piece.length)
      this.#rest.set(piece.subarray(0, at), held)
      if (held + at < blockBytes) return
      this.#compress(this.#rest)
    }
    const whole = piece.length - ((piece.length - at) % blockBytes)
    this.#compress(piece.subarray(at, whole))
    this.#rest.set(piece.subarray(whole))
  }

  /** The digest of all that was passed. Nothing may be passed afterwards. */
  digest(): Uint8Array {
    const bytes = this.#bytes
    // One bit, zeros, and the length in bits as the last 8 bytes of a block (§5.1.1).
    const last = new Uint8Array(blockBytes - ((bytes + 9) % blockBytes || blockBytes) + 9)
    last[0] = 0x80
    const length = new DataView(last.buffer)
    length.setUint32(last.length - 8, Math.floor(bytes / 0x2000_0000))
    length.setUint32(last.length - 4, (bytes * 8) % 0x1_0000_0000)
    this.update(last)
    const digest = new DataView(new ArrayBuffer(stateWords * 4))
    this.#state.forEach((word, index) => {
      digest.setInt32(index * 4, word)
    })
    return new Uint8Array(digest.buffer)
  }

  /** Takes up whole blocks. */
  #compress(bytes: Uint8Array): void {
    stateInWasm.set(this.#state)
    for (let at = 0; at < bytes.length; at += inputInWasm.length) {
      const piece = bytes.subarray(at, at + inputInWasm.length)
      inputInWasm.set(piece)
      compress(inputAt, piece.length / blockBytes)
    }
    this.#state.set(stateInWasm)
  }
}
