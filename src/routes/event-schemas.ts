import { z } from '@hono/zod-openapi'
import { uploadEventTypes } from '../core/webhook.ts'
import { eventSchema, stepSchema, uploadSchema } from './schemas.ts'

/** What clients are told without asking again: by the live streams, and by webhooks. */

/** The `data` of an event in a stream; its `id` there is not this one, but the place to go on from. */
export const streamedEventSchema = eventSchema.extend({ id: z.uuid().describe('The upload’s.') })

/** The `data` of `event: progress`. */
export const progressSchema = z.object({
  id: z.uuid().describe('The upload’s.'),
  receivedBytes: z.int().optional().describe('How much has arrived of what is still being sent.'),
  step: z.string().optional().describe('The step at work.'),
  progress: z.number().nullable().describe('0 to 1; null where nobody can tell.'),
})

/** The `data` of `event: reset`: events are missing before the next one. */
export const resetSchema = z.object({
  reason: z
    .enum(['too-far-behind', 'forgotten'])
    .describe('Too many were missed, or the last one known belonged to an upload whose history is over.'),
})

const time = z.iso.datetime()

/** The upload as webhooks show it: as it is when the message is sent, which may be further on than the event. */
export const toldUploadSchema = uploadSchema.omit({ links: true }).extend({ steps: z.array(stepSchema) })

export const uploadMessageSchema = z.object({
  type: z.enum(uploadEventTypes),
  timestamp: time.describe('When it happened.'),
  data: z.object({
    id: z.uuid().describe('The upload’s.'),
    number: z.int().describe('Counts the events of this upload from 1, without gaps.'),
    generation: z.int(),
    domain: z.string().describe('The slug of the domain.'),
    upload: toldUploadSchema,
  }),
})

export const endpointDisabledMessageSchema = z.object({
  type: z.literal('webhook.disabled'),
  timestamp: time.describe('When it happened.'),
  data: z.object({
    domain: z.string().describe('The slug of the domain.'),
    endpointId: z.uuid().describe('The endpoint that was disabled, which is another one.'),
    url: z.url(),
    reason: z.enum(['gone', 'failing']),
  }),
})

export const testMessageSchema = z.object({
  type: z.literal('webhook.test'),
  timestamp: time.describe('When it was asked for.'),
  data: z.object({ domain: z.string().describe('The slug of the domain.'), endpointId: z.uuid() }),
})

/** The body of a webhook, or of a callback. */
export const webhookMessageSchema = z.discriminatedUnion('type', [
  uploadMessageSchema,
  endpointDisabledMessageSchema,
  testMessageSchema,
])
