import { nameOfSetting, type StepSetting } from '../core/step-settings.ts'
import type { Step, Steps } from './step.ts'

/** What is wrong with a policy's steps, and where in it. */
export interface SettingProblem {
  /** Such as `json.policy.steps.1.options.url`. */
  at: string
  message: string
}

/** Everything that keeps a deployment from running the steps of a policy; none when it can. */
export function problemsOfSteps(
  steps: Steps,
  policy: { steps: readonly StepSetting[]; readBeforeComplete: boolean },
): SettingProblem[] {
  /** Which step makes a variant, by the variant's name. */
  const makers = new Map<string, string>()
  return policy.steps.flatMap((setting, index) => {
    const at = `json.policy.steps.${index}`
    const step = findStep(steps, setting)
    if (!step) {
      return { at: `${at}.step`, message: `is none of the steps there are: ${Object.keys(steps).join(', ')}` }
    }
    if (step.unavailable !== undefined) return { at: `${at}.step`, message: step.unavailable }
    const name = nameOfSetting(setting)
    if (step.forbidsEarlyReading && policy.readBeforeComplete) {
      return {
        at: 'json.policy.readBeforeComplete',
        message: `must be false with the step "${name}": what it might find must not be served before`,
      }
    }
    const parsed = step.options.safeParse(setting.options ?? {})
    if (!parsed.success) {
      return parsed.error.issues.map((issue) => ({
        at: [at, 'options', ...issue.path].join('.'),
        message: issue.message,
      }))
    }
    const variants = step.variantNames?.(parsed.data) ?? []
    return problemsOfVariants(variants, name, makers).map((message) => ({ at: `${at}.options`, message }))
  })
}

/** Notes which variants a step makes, and says which of them an earlier step makes already: only one could be kept. */
function problemsOfVariants(variants: readonly string[], step: string, makers: Map<string, string>): string[] {
  return variants.flatMap((variant) => {
    const maker = makers.get(variant)
    if (maker !== undefined) {
      return `names the variant "${variant}", which the step "${maker}" makes already: give it another name`
    }
    makers.set(variant, step)
    return []
  })
}

/** The step that a setting asks for; undefined where this deployment has none of its name. */
export function findStep(steps: Steps, { step }: StepSetting): Step | undefined {
  return Object.hasOwn(steps, step) ? steps[step] : undefined
}
