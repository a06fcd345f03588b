import { type HttpStepParts, httpStep } from './http.ts'
import { inspect } from './inspect.ts'
import type { Step, Steps } from './step.ts'

/** What the steps of a deployment need from it. */
export interface StepsParts {
  http: HttpStepParts
}

/** Every step there is. A policy names them; they run in the policy's order. */
export function buildSteps({ http }: StepsParts): Steps {
  return byName([inspect, httpStep(http)])
}

/** The same steps by their names. Throws when two have the same one. */
export function byName(list: readonly Step[]): Steps {
  const entries = list.map((step) => [step.name, step] as const)
  if (new Set(list.map((step) => step.name)).size < list.length) throw new Error('Two steps have the same name.')
  return Object.fromEntries(entries)
}
