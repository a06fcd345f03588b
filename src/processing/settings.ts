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
  return policy.steps.flatMap((setting, index) => {
    const at = `json.policy.steps.${index}`
    const step = findStep(steps, setting)
    if (!step) {
      return { at: `${at}.step`, message: `is none of the steps there are: ${Object.keys(steps).join(', ')}` }
    }
    if (step.unavailable !== undefined) return { at: `${at}.step`, message: step.unavailable }
    if (step.forbidsEarlyReading && policy.readBeforeComplete) {
      return {
        at: 'json.policy.readBeforeComplete',
        message: `must be false with the step "${nameOfSetting(setting)}": what it might find must not be served before`,
      }
    }
    const parsed = step.options.safeParse(setting.options ?? {})
    return (parsed.error?.issues ?? []).map((issue) => ({
      at: [at, 'options', ...issue.path].join('.'),
      message: issue.message,
    }))
  })
}

/** The step that a setting asks for; undefined where this deployment has none of its name. */
export function findStep(steps: Steps, { step }: StepSetting): Step | undefined {
  return Object.hasOwn(steps, step) ? steps[step] : undefined
}
