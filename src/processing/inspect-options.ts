import { z } from 'zod'

/** What a policy may say about the step `inspect`: from where on an archive is a bomb, and the file quarantined. */
export const inspectOptions = z
  .object({
    maxUnpackedBytes: z
      .number()
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .default(1024 ** 3)
      .describe('Archives that unpack to more bytes than this, and more than `maxRatio` times, are bombs.'),
    maxRatio: z
      .number()
      .min(1)
      .max(1_000_000)
      .default(100)
      .describe('How many bytes may come out of each packed one, where it is more than `maxUnpackedBytes` in all.'),
    maxEntries: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(100_000)
      .describe('Archives of more files and folders than this are bombs.'),
  })
  .strict()

export type InspectOptions = z.infer<typeof inspectOptions>
