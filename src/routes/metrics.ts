import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from '../context.ts'
import { prometheusType } from '../core/prometheus.ts'
import { administrator, credential } from '../middleware/credential.ts'
import { host } from '../middleware/host.ts'
import { renderMetrics } from '../services/render-metrics.ts'
import { problemResponses } from './schemas.ts'

const metrics = createRoute({
  method: 'get',
  path: '/metrics',
  summary: 'How the deployment is, for Prometheus',
  description: 'Every metric is described in `docs/operations.md`.',
  middleware: [host(), credential(), administrator()] as const,
  responses: {
    200: {
      description: 'The text exposition format 0.0.4.',
      content: { [prometheusType]: { schema: z.string() } },
    },
    ...problemResponses(401, 403, 404, 500),
  },
})

/** What a monitoring system reads, with the administrator's token. */
export const metricsRoutes = new OpenAPIHono<AppEnv>().openapi(metrics, async (c) => {
  const text = await renderMetrics(c.var.deps)
  return c.text(text, 200, { 'Content-Type': prometheusType, 'Cache-Control': 'no-store' })
})
