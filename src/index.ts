import { createApp } from './app.ts'
import { buildDeps } from './deps.ts'
import { consumeBatch } from './queue/cloudflare.ts'
import { reconcile } from './services/reconcile.ts'
import { noteDeadJob, runJob } from './services/run-job.ts'

const app = createApp()

/** The Worker: HTTP in, jobs from the queue, and the sweep of every minute. */
export default {
  fetch: app.fetch,

  async queue(batch, env, context) {
    const deps = buildDeps(env, context)
    // What the queue itself has given up arrives on a second queue, whose name ends in "-dead".
    const take = batch.queue.endsWith('-dead') ? noteDeadJob : runJob
    await consumeBatch(batch, async (message) => {
      await take(deps, message)
    })
  },

  async scheduled(_controller, env, context) {
    const deps = buildDeps(env, context)
    for (const place of deps.places) await reconcile({ ...deps, ...place })
  },
} satisfies ExportedHandler<Cloudflare.Env>
