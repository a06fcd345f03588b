import { env } from 'cloudflare:workers'
import type { FileStatus } from '../../../src/core/status.ts'
import { runJob } from '../../../src/services/run-job.ts'
import { putFile, type Send, type TestDomain } from './client.ts'
import { appWith, depsWith, HeldQueue } from './faults.ts'

const queue = new HeldQueue()

/** The Worker, whose jobs wait until `work` runs them. */
export const send = appWith({ deps: () => ({ queue }) })

/** The same, where something happens after a request has looked at its file, and before it begins to watch it. */
export function sendWithChange(change: () => Promise<void>): Send {
  return appWith({
    deps: ({ watchers }) => ({
      queue,
      watchers: {
        hint: () => {},
        progress: () => {},
        open: async (domain, watch) => {
          await change()
          return watchers.open(domain, watch)
        },
      },
    }),
  })
}

/** A file that waits for its job. */
export async function makeFile(domain: TestDomain): Promise<{ id: string; url: string }> {
  const { json } = await putFile(domain.origin, 'a.txt', 'abc', { send })
  return { id: json.id, url: `${domain.origin}/v1/uploads/${json.id}` }
}

/** Runs what is on the queue: each file goes from pending to complete. */
export async function work(): Promise<void> {
  for (const job of queue.take()) await runJob(depsWith({ deps: () => ({ queue, log: () => {} }) }), job)
}

/** Moves a file on without anybody being told: what is left of a change when its hint is lost. */
export async function moveSilently(id: string, status: FileStatus): Promise<void> {
  await env.DB.batch([
    env.DB.prepare('UPDATE uploaded_files SET status = ?, last_event = last_event + 1 WHERE id = ?').bind(status, id),
    env.DB.prepare(
      `INSERT INTO file_events (file_id, domain_id, number, kind, generation, created_at)
       SELECT id, domain_id, last_event, status, generation, 1 FROM uploaded_files WHERE id = ?`,
    ).bind(id),
  ])
}
