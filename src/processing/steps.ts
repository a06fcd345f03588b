import type { MalwareScanner, PictureMaker } from '../core/ports.ts'
import { type HttpStepParts, httpStep } from './http.ts'
import { inspect } from './inspect.ts'
import { scanStep } from './scan.ts'
import type { Step, Steps } from './step.ts'
import { imageStep } from './variants/image-step.ts'

/** What steps need of a deployment; null for what it does not have, and then the step says so where it is asked for. */
export interface StepsParts {
  pictures: PictureMaker | null
  scanner: MalwareScanner | null
  http: HttpStepParts
}

/** Every step there is. A policy names them; they run in the policy's order. */
export function buildSteps({ pictures, scanner, http }: StepsParts): Steps {
  return byName([inspect, scanStep(scanner), imageStep(pictures), httpStep(http)])
}

/** The same steps by their names. Throws when two have the same one. */
export function byName(list: readonly Step[]): Steps {
  const entries = list.map((step) => [step.name, step] as const)
  if (new Set(list.map((step) => step.name)).size < list.length) throw new Error('Two steps have the same name.')
  return Object.fromEntries(entries)
}
