import { Refusal } from '../../core/errors.ts'
import type { Policy } from '../../core/policy.ts'
import { problemsOfSteps } from '../../processing/settings.ts'
import type { Steps } from '../../processing/step.ts'

/** Throws `request-invalid` where a policy asks for steps that this deployment can't run, with every reason. */
export function requireRunnable(steps: Steps, policy: Policy): void {
  const problems = problemsOfSteps(steps, policy)
  const [first] = problems
  if (!first) return
  throw new Refusal('request-invalid', `${first.at} ${first.message}.`, { facts: { problems } })
}
