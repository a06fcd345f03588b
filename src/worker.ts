import { createApp } from './app.ts'
import { buildDeps, type Deps } from './deps.ts'
import { consumeBatch } from './queue/cloudflare.ts'
import { reconcile } from './services/reconcile/reconcile.ts'
import { noteDeadJob, runJob } from './services/run-job.ts'

/**
 * The Worker: HTTP in, jobs from the queue, and the sweep of every minute. `build` makes what an invocation works with;
 * tests pass one of their own.
 */
export function createWorker(
  build: (env: unknown, context: { waitUntil(promise: Promise<unknown>): void }) => Deps = buildDeps,
) {
  const app = createApp(build)
  return {
    async fetch(request, env, context) {
      const answer = Promise.resolve(app.fetch(request, env, context))
      // A client that leaves ends its request at any line, clean-up and all, unless something still waits for it.
      context.waitUntil(answer)
      return answer
    },

    async queue(batch, env, context) {
      const deps = build(env, context)
      // What the queue itself has given up arrives on a second queue, whose name ends in "-dead".
      const isDead = batch.queue.endsWith('-dead')
      await consumeBatch(batch, (message) =>
        isDead
          ? deps.journal.run('job', {}, () => noteDeadJob(deps, message, 'the queue has used up its retries'))
          : runJob(deps, message),
      )
      await deps.tellFigures()
    },

    async scheduled(_controller, env, context) {
      const deps = build(env, context)
      await deps.journal.run('sweep', {}, async (work) => {
        for (const place of deps.places) await reconcile({ ...deps, ...place })
        deps.report(work.record())
      })
      // Its jobs are work of their own; what it says of Redis itself belongs to none of them.
      await deps.journal.run('sweep', {}, async () => deps.drainQueue?.())
      await deps.tellFigures()
    },
  } satisfies ExportedHandler<Cloudflare.Env>
}
