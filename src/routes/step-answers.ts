import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { requireAccess } from '../core/access.ts'
import { Refusal } from '../core/errors.ts'
import { stepAnswerSchema } from '../core/step-answer.ts'
import { requireDomain } from '../middleware/domain.ts'
import { smallBody } from '../middleware/small-body.ts'
import { answerStep } from '../services/answer-step.ts'
import { domainQuery, idParam, jsonBody, problemResponses } from './schemas.ts'

const answer = createRoute({
  method: 'post',
  path: '/v1/uploads/{id}/steps/{step}/answer',
  summary: 'Answer for a step',
  description:
    'For the processor that a step of the kind `http` has posted to: the address comes with the request, token included. One answer each time that the step asks.',
  middleware: [smallBody()] as const,
  request: {
    params: idParam.extend({ step: z.string().max(100) }),
    query: domainQuery.extend({
      token: z.string().optional().describe('The token in the address that was given out.'),
    }),
    body: jsonBody(stepAnswerSchema),
  },
  responses: {
    202: { description: 'The step goes on with it.' },
    ...problemResponses(400, 401, 403, 404, 409, 413, 415, 429, 500, 503),
  },
})

/** What comes from outside for steps that wait. */
export const stepAnswerRoutes = new OpenAPIHono<AppEnv>().openapi(answer, async (c) => {
  const domain = requireDomain(c)
  const { id, step } = c.req.valid('param')
  const { credential } = c.var
  requireAccess(credential, 'answer-step', domain, id)
  if (credential.kind !== 'processor' || credential.step !== step) {
    throw new Refusal('forbidden', 'A step is answered with the address that was given out for it, and nothing else.')
  }
  const { databaseFor, queue, now, log } = c.var.deps
  const parts = { db: databaseFor(domain), queue, now, log }
  const { generation, attempt } = credential
  await answerStep(parts, { domainId: domain.id, id, generation, attempt, step }, c.req.valid('json'))
  return c.body(null, 202)
})
