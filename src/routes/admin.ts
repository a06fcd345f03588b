import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import type { DeadLetter } from '../core/dead-letter.ts'
import { jobKinds } from '../core/job.ts'
import { isoTime } from '../core/upload-view.ts'
import { administrator } from '../middleware/credential.ts'
import { listDeadLetters, retryDeadLetter } from '../services/dead-letters.ts'
import { reconcile } from '../services/reconcile/reconcile.ts'
import { json, problemResponses } from './schemas.ts'

const flag = z.enum(['true', 'false']).default('false')
const count = z.int().nullable().describe('Null: this chore failed; the reason is in the log.')

const sweep = createRoute({
  method: 'post',
  path: '/v1/admin/reconcile',
  summary: 'Run the reconciler now, or see what it would do',
  middleware: [administrator()] as const,
  request: {
    query: z.object({
      dry_run: flag.describe('Look, and change nothing.'),
      accept_orphans: flag.describe('Remove what looks orphaned even where it is suspiciously much.'),
    }),
  },
  responses: {
    200: {
      description: 'How many things of each kind were done, or would have been.',
      content: json(
        z.object({
          dryRun: z.boolean(),
          reports: z.array(
            z.object({
              freedLeases: count,
              published: count,
              discardedClaims: count,
              expired: count,
              removedObjects: count,
              removedOrphans: count,
              forgotten: count,
              purgedDomains: count,
              toldDomains: count,
              publishedDeliveries: count,
            }),
          ),
        }),
      ),
    },
    ...problemResponses(400, 401, 403, 500, 503),
  },
})

const deadLetterSchema = z
  .object({
    id: z.uuid(),
    kind: z.enum(jobKinds),
    rowId: z.uuid().describe('What the job was for: of kind `process` it is an upload.'),
    domainId: z.uuid(),
    generation: z.int(),
    publish: z.int(),
    reason: z.string().describe('What the queue knows of the last try.'),
    createdAt: z.iso.datetime(),
  })
  .openapi('DeadLetter')

const list = createRoute({
  method: 'get',
  path: '/v1/admin/dead-letters',
  summary: 'Jobs that their queue has given up, newest first',
  middleware: [administrator()] as const,
  request: {
    query: z.object({
      limit: z.coerce.number().int().min(1).max(100).default(50),
      cursor: z.uuid().optional(),
      domain: z.string().max(260).optional().describe('Only those of the domain with this slug.'),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: json(
        z.object({
          deadLetters: z.array(deadLetterSchema),
          nextCursor: z.string().nullable(),
        }),
      ),
    },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

const retry = createRoute({
  method: 'post',
  path: '/v1/admin/dead-letters/{id}/retry',
  summary: 'Send a dead letter again',
  middleware: [administrator()] as const,
  request: {
    params: z.object({
      id: z
        .string()
        .max(100)
        .openapi({ param: { name: 'id', in: 'path' } }),
    }),
  },
  responses: {
    202: {
      description: 'It was sent, or what it was for no longer needs it.',
      content: json(
        z.object({
          deadLetter: deadLetterSchema,
          published: z.boolean(),
        }),
      ),
    },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

/** What the operator of the deployment sees and does. */
export const adminRoutes = new OpenAPIHono<AppEnv>()
  .openapi(sweep, async (c) => {
    const { dry_run, accept_orphans } = c.req.valid('query')
    const options = {
      dryRun: dry_run === 'true',
      acceptOrphans: accept_orphans === 'true',
    }
    const reports = []
    for (const place of c.var.deps.places) reports.push(await reconcile({ ...c.var.deps, ...place }, options))
    return c.json({ dryRun: options.dryRun, reports }, 200)
  })
  .openapi(list, async (c) => {
    const { domain: slug, ...page } = c.req.valid('query')
    const found = await listDeadLetters(c.var.deps, { ...page, slug })
    return c.json({ deadLetters: found.letters.map(serialise), nextCursor: found.nextCursor }, 200)
  })
  .openapi(retry, async (c) => {
    const { letter, published } = await retryDeadLetter(c.var.deps, c.req.valid('param').id)
    return c.json({ deadLetter: serialise(letter), published }, 202)
  })

function serialise({ id, kind, rowId, domainId, generation, publish, reason, createdAt }: DeadLetter) {
  return {
    id,
    kind,
    rowId,
    domainId,
    generation,
    publish,
    reason,
    createdAt: isoTime(createdAt),
  }
}
