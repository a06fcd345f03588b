import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { json } from './schemas.ts'

const health = createRoute({
  method: 'get',
  path: '/healthz',
  summary: 'Whether the Worker is up and configured',
  responses: {
    200: {
      description: 'It is.',
      content: json(z.object({ ok: z.literal(true) })),
    },
  },
})

export const healthRoutes = new OpenAPIHono<AppEnv>().openapi(health, (c) => c.json({ ok: true as const }, 200))
