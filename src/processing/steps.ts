import { inspect } from './inspect.ts'
import type { Step, Steps } from './step.ts'

/** Every step there is. A policy names them; they run in the policy's order. */
export const steps: Steps = byName([inspect])

/** The same steps by their names. Throws when two have the same one. */
export function byName(list: readonly Step[]): Steps {
  const entries = list.map((step) => [step.name, step] as const)
  if (new Set(list.map((step) => step.name)).size < list.length) throw new Error('Two steps have the same name.')
  return Object.fromEntries(entries)
}
