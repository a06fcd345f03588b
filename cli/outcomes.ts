import { CommandError, exitCodes, Interrupted, NotTried, Unreachable } from './errors.ts'
import type { Output } from './output.ts'

/** What became of one of several things. Both are there where it was done, and what came after it failed. */
export interface Outcome<Item, Value> {
  item: Item
  value?: Value | undefined
  error?: CommandError | undefined
}

/**
 * Does `work` on each item, one after the other. What is refused for one says nothing of the next, so it is reported and
 * the rest goes on; a server out of reach and a Ctrl-C end it, and the rest is `NotTried`. `nameOf` is how a report
 * names an item.
 */
export async function workOnEach<Item, Value>(
  out: Output,
  items: readonly Item[],
  nameOf: (item: Item) => string,
  work: (item: Item) => Promise<Value>,
): Promise<Outcome<Item, Value>[]> {
  const outcomes: Outcome<Item, Value>[] = []
  let stopped: CommandError | undefined
  for (const item of items) {
    if (stopped) {
      outcomes.push({ item, error: new NotTried(stopped) })
      continue
    }
    try {
      outcomes.push({ item, value: await work(item) })
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      out.complain(error, items.length > 1 ? nameOf(item) : undefined)
      outcomes.push({ item, error })
      if (error instanceof Unreachable || error instanceof Interrupted) stopped = error
    }
  }
  return outcomes
}

/** The exit code of them all: the gravest. */
export function exitCodeOf(outcomes: readonly Outcome<unknown, unknown>[]): number {
  return Math.max(exitCodes.ok, ...outcomes.map(({ error }) => error?.exitCode ?? exitCodes.ok))
}

/** The JSON document of them all, in their order: what `show` makes of each, and its error. */
export function resultsOf<Item, Value>(
  outcomes: readonly Outcome<Item, Value>[],
  show: (item: Item, value: Value | undefined) => object,
): object {
  const results = outcomes.map(({ item, value, error }) => ({
    ...show(item, value),
    ...(error && { error: error.describe() }),
  }))
  return { results }
}
