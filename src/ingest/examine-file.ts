import type { ByteSource } from '../multipart/byte-source.ts'
import type { BufferPool } from './buffer-pool.ts'
import { sniffBytes } from './detect-type.ts'
import { Examination, type Expectations, type Findings } from './examination.ts'

/** Reads a file from its source and examines it exactly as `storeFile` does, without storing it. */
export async function examineFile(source: ByteSource, expected: Expectations, pool: BufferPool): Promise<Findings> {
  const examination = new Examination(expected)
  const buffer = await pool.lend(sniffBytes)
  try {
    for (let isHead = true, done = false; !done; isHead = false) {
      let end = 0
      while (end < buffer.size && !done) {
        const filled = await source.fill(buffer.memory, end)
        buffer.memory = filled.buffer
        examination.pass(new Uint8Array(filled.buffer, end, filled.end - end))
        ;({ end, done } = filled)
      }
      if (isHead) await examination.judgeHead(new Uint8Array(buffer.memory, 0, end))
    }
    return examination.finish()
  } finally {
    pool.takeBack(buffer)
  }
}
