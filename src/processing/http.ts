import { z } from 'zod'
import { judgeOutboundUrl, type OutboundRules } from '../core/outbound-url.ts'
import { matchesType, typePattern } from '../core/policy.ts'
import type { PostOutcome, PostSigned } from '../core/ports.ts'
import { stepAnswerSchema } from '../core/step-answer.ts'
import { defineStep, type StepContext, type StepFile, type StepOutcome } from './step.ts'

/** What a processor is told to work with: who the domain is, and where it reads the file and answers. */
export interface Invitation {
  /** The domain's slug. */
  domain: string
  /** What the domain signs with, the current secret first. */
  secrets: readonly string[]
  /** Where the bytes are read while this step waits. */
  contentUrl: string
  /** Where the answer is posted, if it does not come at once. */
  answerUrl: string
}

/** What an answer is an answer to. */
export interface Question {
  file: StepFile
  /** The name of the step that asks. */
  step: string
  /** The attempt of the file that it asks in: another one's answer is not taken for this one's. */
  attempt: number
  /** Until when the addresses are good, in milliseconds since 1970. */
  until: number
}

export interface HttpStepParts {
  post: PostSigned
  rules: OutboundRules
  /** Addresses that are good for this question alone. */
  invite(question: Question): Promise<Invitation>
  /** Why processors can't be called from here, if that is so. */
  unavailable?: string | undefined
}

/** How often a processor that does not answer is asked in one generation. */
const mostInvitations = 3

/** A processor that is late may still read and answer for this long. */
const graceMs = 60_000

const stateSchema = z.object({ until: z.number(), asked: z.number() })

/**
 * Any outside tool as a step: posts the file's description and short-lived addresses to the domain's own processor,
 * signed as webhooks are (Standard Webhooks 1.0), and takes its answer, which comes at once or later.
 */
export function httpStep({ post, rules, invite, unavailable }: HttpStepParts) {
  const url = z.string().transform((text, context) => {
    const verdict = judgeOutboundUrl(text, rules)
    if (verdict.ok) return verdict.url
    context.addIssue({ code: 'custom', message: `can't be called: ${verdict.reason}` })
    return z.NEVER
  })
  const options = z.strictObject({
    url: url.describe('Where the processor is posted to. https, and a public host.'),
    types: z
      .array(typePattern)
      .min(1)
      .max(50)
      .default(['*/*'])
      .describe('Only files of these media types, such as `image/*`.'),
    answerWithinMinutes: z
      .int()
      .min(1)
      .max(24 * 60)
      .default(60)
      .describe('How long it may take for an answer before it is asked again, three times in all.'),
    parameters: z.record(z.string(), z.unknown()).optional().describe('Handed to the processor as they are.'),
  })

  return defineStep<z.infer<typeof options>>({
    name: 'http',
    options,
    accepts: (type, { types }) => types.some((pattern) => matchesType(pattern, type)),
    ...(unavailable === undefined ? {} : { unavailable }),
    async run(context) {
      if (context.answer !== null) return understand(context.answer)
      const asked = stateSchema.safeParse(context.state)
      if (asked.success && context.now() < asked.data.until)
        return { kind: 'wait', state: asked.data, until: asked.data.until }
      const times = asked.success ? asked.data.asked : 0
      if (times < mostInvitations) return ask(context, times)
      return {
        kind: 'verdict',
        verdict: 'failed',
        code: 'processor-silent',
        detail: `The processor of the step "${context.name}" was asked ${times} times and gave no answer.`,
      }
    },
  })

  async function ask(context: StepContext<z.infer<typeof options>>, times: number): Promise<StepOutcome> {
    const { file, name, attempt, now, options } = context
    const until = now() + options.answerWithinMinutes * 60_000
    const { domain, secrets, contentUrl, answerUrl } = await invite({
      file,
      step: name,
      attempt,
      until: until + graceMs,
    })
    const body = {
      type: 'step.requested',
      timestamp: new Date(now()).toISOString(),
      data: {
        step: name,
        upload: {
          id: file.id,
          domain,
          filename: file.filename,
          type: file.type,
          size: file.size,
          sha256: file.sha256,
          metadata: file.metadata,
          generation: file.generation,
        },
        contentUrl,
        answerUrl,
        answerBy: new Date(until).toISOString(),
        parameters: options.parameters ?? {},
      },
    }
    // Another one each time it is asked: who drops what he has seen must not drop what is asked anew.
    const id = `step_${file.id}_${file.generation}_${name}_${attempt}_${times + 1}`
    const outcome = await post({ url: options.url, id, body: JSON.stringify(body), secrets })
    return judge(outcome, { kind: 'wait', state: { until, asked: times + 1 }, until })
  }
}

/** What the answer to the request itself means. */
function judge(outcome: PostOutcome, later: StepOutcome): StepOutcome {
  if (outcome.kind === 'failed') return { kind: 'retry', detail: outcome.reason }
  const { status, body } = outcome
  if (status < 200 || status > 299) return { kind: 'retry', detail: `The processor answered with status ${status}.` }
  if (status === 202 || body.trim() === '') return later
  try {
    return understand(JSON.parse(body))
  } catch {
    return { kind: 'retry', detail: `The processor answered ${status} with what is no JSON.` }
  }
}

function understand(answer: unknown): StepOutcome {
  const parsed = stepAnswerSchema.safeParse(answer)
  if (!parsed.success) return { kind: 'retry', detail: 'The processor gave an answer of another shape.' }
  if ('result' in parsed.data) return { kind: 'result', result: parsed.data.result }
  if ('retry' in parsed.data) return { kind: 'retry', detail: parsed.data.retry }
  return { kind: 'verdict', ...parsed.data }
}
