const blockBytes = 4 * 1024 * 1024

/**
 * Bytes without a pattern, as compressed files have them, made once and sent over and over. From a seed (xorshift32),
 * so that every run sends the same.
 */
export const noise = makeNoise(blockBytes)

function makeNoise(bytes: number): Buffer {
  const words = new Uint32Array(bytes / 4)
  let state = 0x9e3779b9
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[index] = state >>> 0
  }
  return Buffer.from(words.buffer)
}
