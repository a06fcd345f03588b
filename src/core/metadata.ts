import { z } from 'zod'

const maxMetadataBytes = 2048

/** A client's own notes on a file: a JSON object of strings, at most 2 KB as JSON. */
export const metadataSchema = z
  .record(z.string().min(1).max(100), z.string())
  .refine((value) => new TextEncoder().encode(JSON.stringify(value)).byteLength <= maxMetadataBytes, {
    message: `is larger than ${maxMetadataBytes} bytes as JSON`,
  })

export type Metadata = z.infer<typeof metadataSchema>
