const blockBytes = 64
const stateWords = 8

/** The cube roots of the first 64 primes, the first 32 bits of their fractions (FIPS 180-4 §4.2.2). */
const constants = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
])

const initialState = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]

/** What a hash knows between two pieces, as plain JSON. */
export interface SavedSha256 {
  state: number[]
  /** The bytes after the last whole block. */
  rest: number[]
  bytes: number
}

/** SHA-256 (FIPS 180-4) whose state can be written down and taken up again, which no native hash lets one do. */
export class ResumableSha256 {
  readonly #state: Int32Array
  readonly #rest = new Uint8Array(blockBytes)
  readonly #schedule = new Int32Array(64)
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
      this.#compress(this.#rest, 0, blockBytes)
    }
    const whole = piece.length - ((piece.length - at) % blockBytes)
    this.#compress(piece, at, whole)
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

  #compress(bytes: Uint8Array, from: number, to: number): void {
    const w = this.#schedule
    const state = this.#state
    for (let at = from; at < to; at += blockBytes) {
      for (let i = 0, j = at; i < 16; i++, j += 4) {
        w[i] =
          ((bytes[j] as number) << 24) |
          ((bytes[j + 1] as number) << 16) |
          ((bytes[j + 2] as number) << 8) |
          (bytes[j + 3] as number)
      }
      for (let i = 16; i < 64; i++) {
        const x = w[i - 15] as number
        const y = w[i - 2] as number
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
        w[i] = ((w[i - 16] as number) + s0 + (w[i - 7] as number) + s1) | 0
      }
      let [a, b, c, d, e, f, g, h] = state as unknown as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ]
      for (let i = 0; i < 64; i++) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (constants[i] as number) + (w[i] as number)) | 0
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
        h = g
        g = f
        f = e
        e = (d + t1) | 0
        d = c
        c = b
        b = a
        a = (t1 + t2) | 0
      }
      state[0] = (state[0] as number) + a
      state[1] = (state[1] as number) + b
      state[2] = (state[2] as number) + c
      state[3] = (state[3] as number) + d
      state[4] = (state[4] as number) + e
      state[5] = (state[5] as number) + f
      state[6] = (state[6] as number) + g
      state[7] = (state[7] as number) + h
    }
  }
}
