import type { StepName } from '../core/policy.ts'
import { inspect } from './inspect.ts'
import type { Step } from './step.ts'

/** Every step there is. A policy names them; they run in the policy's order. */
export const steps: Readonly<Record<StepName, Step>> = { inspect }
