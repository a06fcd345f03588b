import type { Step } from './step.ts'
import { commandLine, failureOf, type Wrangler } from './wrangler.ts'

/** One queue. */
export function queueStep(wrangler: Wrangler, name: string): Step {
  const create = ['queues', 'create', name]
  return {
    title: `queue "${name}"`,
    commands: [commandLine(create)],
    look: () => lookForQueue(wrangler, name),
    run: async () => void (await wrangler.run(create)),
  }
}

async function lookForQueue(wrangler: Wrangler, name: string): Promise<string | undefined> {
  const args = ['queues', 'info', name]
  const ended = await wrangler.try(args)
  // Wrangler shows the first queue that a search for the name finds, which may be one with a longer name.
  if (ended.exitCode === 0)
    return ended.stdout.split('\n').includes(`Queue Name: ${name}`) ? 'there already' : undefined
  if (ended.stderr.includes(`Queue "${name}" does not exist`)) return undefined
  throw failureOf(args, ended)
}
