import { z } from '@hono/zod-openapi'
import { uploadLimitsSchema } from '../core/upload-token.ts'

const daySeconds = 24 * 3600

export const uploadTokenRequestSchema = uploadLimitsSchema.extend({
  expiresInSeconds: z.int().min(1).max(daySeconds).default(600).describe('How long it is good, in seconds.'),
})

export const uploadTokenSchema = z.object({ token: z.string(), expiresAt: z.iso.datetime() }).openapi('UploadToken')

export const downloadLinkRequestSchema = z.strictObject({
  expiresInSeconds: z
    .int()
    .min(1)
    .max(7 * daySeconds)
    .default(3600)
    .describe('How long it is good, in seconds.'),
  filename: z
    .string()
    .max(1000)
    .optional()
    .describe('The name to save the content under. With one, it is never shown in place.'),
})

export const downloadLinkSchema = z.object({ url: z.url(), expiresAt: z.iso.datetime() }).openapi('DownloadLink')
