import { z } from 'zod'

const maxResultLength = 16 * 1024

/** What somebody outside says of a file that a step has asked him about. */
export const stepAnswerSchema = z
  .union([
    z.strictObject({
      result: z
        .record(z.string(), z.unknown())
        .refine(
          (result) => JSON.stringify(result).length <= maxResultLength,
          `has more than ${maxResultLength} characters`,
        )
        .describe('Facts to keep with the file, 16,384 characters of JSON at most.'),
    }),
    z.strictObject({
      verdict: z
        .enum(['failed', 'quarantined'])
        .describe('The file is no good, or may be dangerous: its processing ends.'),
      code: z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,63}$/, 'is no code such as "too-blurred"')
        .describe('Stable, for programs.'),
      detail: z.string().min(1).max(1000).describe('A sentence for people.'),
    }),
    z.strictObject({
      retry: z.string().min(1).max(1000).describe('Why it could not be told this time. An attempt is used up.'),
    }),
  ])
  .meta({ id: 'StepAnswer' })

export type StepAnswer = z.infer<typeof stepAnswerSchema>
