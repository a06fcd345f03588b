import { Buffer } from 'node:buffer'
import { crc32, deflateRawSync } from 'node:zlib'

/** One entry, and in what its record in the directory differs from the truth. */
export interface ZipEntry {
  name: string
  content?: Uint8Array
  isPacked?: boolean
  isEncrypted?: boolean
  /** What the directory says instead of the truth. */
  says?: { packedBytes?: number; unpackedBytes?: number; offset?: number }
  /** Whether there is nothing of it but its record in the directory. */
  isGhost?: boolean
  /** Whether its sizes and place are written in the extra field of ZIP64. */
  isLong?: boolean
}

export interface ZipShape {
  /** Put before everything, without a change in what the directory says. */
  prefix?: Uint8Array
  comment?: Uint8Array
  /** Whether the archive has the end record of ZIP64. */
  isLong?: boolean
  /** What the end record says instead of the truth. */
  says?: { entries?: number; length?: number; offset?: number }
}

/** Numbers from their lowest byte up, each in so many bytes. */
function numbers(...fields: (readonly [bytes: 2 | 4 | 8, value: number])[]): Buffer {
  const out = Buffer.alloc(fields.reduce((sum, [bytes]) => sum + bytes, 0))
  let at = 0
  for (const [bytes, value] of fields) {
    out.writeUIntLE((value % 2 ** 32) % 256 ** bytes, at, Math.min(bytes, 4))
    if (bytes === 8) out.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
    at += bytes
  }
  return out
}

/** A ZIP of these entries (APPNOTE.TXT), which may lie. */
export function buildZip(entries: readonly ZipEntry[], { prefix, comment, isLong, says = {} }: ZipShape = {}): Buffer {
  const files: Buffer[] = []
  const records: Buffer[] = []
  let offset = 0
  for (const entry of entries) {
    const { file, record } = partsOf(entry, offset)
    if (!entry.isGhost) {
      files.push(file)
      offset += file.length
    }
    records.push(record)
  }
  const directory = Buffer.concat(records)
  const count = says.entries ?? entries.length
  const [length, start] = [says.length ?? directory.length, says.offset ?? offset]
  const longEnd = Buffer.concat([
    Buffer.from('PK\x06\x06'),
    numbers([8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, length], [8, start]),
    Buffer.from('PK\x06\x07'),
    numbers([4, 0], [8, offset + directory.length], [4, 1]),
  ])
  const end = Buffer.concat([
    Buffer.from('PK\x05\x06'),
    isLong
      ? numbers([4, 0], [2, 0xffff], [2, 0xffff], [4, 0xffffffff], [4, 0xffffffff])
      : numbers([4, 0], [2, count % 0x10000], [2, count % 0x10000], [4, length], [4, start]),
    numbers([2, comment?.length ?? 0]),
  ])
  const none = Buffer.alloc(0)
  return Buffer.concat([prefix ?? none, ...files, directory, isLong ? longEnd : none, end, comment ?? none])
}

function partsOf(entry: ZipEntry, offset: number): { file: Buffer; record: Buffer } {
  const content = entry.content ?? Buffer.alloc(0)
  const data = entry.isPacked ? deflateRawSync(content) : content
  const name = Buffer.from(entry.name)
  const { says = {} } = entry
  const [packed, unpacked] = [says.packedBytes ?? data.length, says.unpackedBytes ?? content.length]
  const place = says.offset ?? offset
  const common = (sizes: readonly [number, number], extra: number) =>
    Buffer.concat([
      numbers([2, 45], [2, entry.isEncrypted ? 1 : 0], [2, entry.isPacked ? 8 : 0], [4, 0], [4, crc32(content)]),
      numbers([4, sizes[0]], [4, sizes[1]], [2, name.length], [2, extra]),
    ])
  const long = entry.isLong ? numbers([2, 1], [2, 24], [8, unpacked], [8, packed], [8, place]) : Buffer.alloc(0)
  const full = 0xffffffff
  const inDirectory = entry.isLong ? ([full, full] as const) : ([packed, unpacked] as const)
  return {
    file: Buffer.concat([Buffer.from('PK\x03\x04'), common([data.length, content.length], 0), name, data]),
    record: Buffer.concat([
      Buffer.from('PK\x01\x02\x2d\0'),
      common(inDirectory, long.length),
      numbers([2, 0], [2, 0], [2, 0], [4, 0], [4, entry.isLong ? full : place]),
      name,
      long,
    ]),
  }
}
