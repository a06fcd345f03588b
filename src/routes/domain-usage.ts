import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { manager } from '../middleware/credential.ts'
import { readDailyUsage } from '../services/domains/read-daily-usage.ts'
import { readUsage } from '../services/domains/read-usage.ts'
import { slugParam } from './domain-schemas.ts'
import { json, problemResponses } from './schemas.ts'

const show = createRoute({
  method: 'get',
  path: '/v1/domains/{slug}/usage',
  summary: 'How much a domain stores, of how much it may',
  middleware: [manager()] as const,
  request: { params: slugParam },
  responses: {
    200: {
      description: 'Its usage.',
      content: json(
        z
          .object({
            files: z.int().describe('Files stored, with those on their way that have claimed their place.'),
            bytes: z.int().describe('Their bytes.'),
            uploadsThisMonth: z.int().describe('Files accepted since the first of the month (UTC), deleted or not.'),
            quotaFiles: z.int().nullable(),
            quotaBytes: z.int().nullable(),
          })
          .openapi('Usage'),
      ),
    },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

const daily = createRoute({
  method: 'get',
  path: '/v1/domains/{slug}/usage/daily',
  summary: 'What a domain has accepted on each of the last days',
  description: 'A file counts on the day on which it was accepted, whatever becomes of it: a deleted one still does.',
  middleware: [manager()] as const,
  request: {
    params: slugParam,
    query: z.object({
      days: z.coerce.number().int().min(1).max(90).default(30).describe('How many days, today (UTC) being the last.'),
    }),
  },
  responses: {
    200: {
      description: 'Each day, oldest first.',
      content: json(
        z.object({
          days: z.array(
            z
              .object({
                date: z.iso.date().describe('UTC.'),
                files: z.int().describe('Files accepted on this day, deleted or not.'),
                bytes: z.int().describe('Their bytes.'),
              })
              .openapi('DailyUsage'),
          ),
        }),
      ),
    },
    ...problemResponses(400, 401, 403, 404, 500, 503),
  },
})

/** What a domain stores and takes, for the administrator and the domain's own manager. */
export const domainUsageRoutes = new OpenAPIHono<AppEnv>()
  .openapi(show, async (c) => c.json(await readUsage(c.var.deps, c.req.valid('param').slug), 200))
  .openapi(daily, async (c) => {
    const { slug } = c.req.valid('param')
    return c.json({ days: await readDailyUsage(c.var.deps, slug, c.req.valid('query').days) }, 200)
  })
