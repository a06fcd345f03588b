import { Failure } from '../failure.ts'

/** One thing that a deployment needs. */
export interface Step {
  /** What it is, such as `bucket "stevedore"`. */
  title: string
  /** What makes it so, as a person would type it. */
  commands: readonly string[]
  /** Says in a few words how it is done already, or gives undefined when it is not. Changes nothing. */
  look(): Promise<string | undefined>
  /** Does it. Safe to repeat after it was cut off anywhere. */
  run(): Promise<void>
}

/**
 * Takes the steps in their order, and each only where it is not done already. Says what it does, a line a step. Throws
 * what the first step throws that fails.
 */
export async function takeSteps(steps: readonly Step[], say: (line: string) => void): Promise<void> {
  for (const step of steps) {
    const found = await step.look()
    if (found !== undefined) {
      say(`  ✓ ${step.title}: ${found}`)
      continue
    }
    say(`  … ${step.title}`)
    await step.run()
    say(`  + ${step.title}: done`)
  }
}

/** Says what `takeSteps` would do, with the commands, and does nothing of it. */
export async function showSteps(
  steps: readonly Step[],
  say: (line: string) => void,
  { mayLook }: { mayLook: boolean },
): Promise<void> {
  let allDone = mayLook
  for (const [index, step] of steps.entries()) {
    const found = mayLook ? await lookAhead(step, allDone) : undefined
    say(`${index + 1}. ${step.title}${found === undefined ? '' : `: ${found}, nothing to do`}`)
    if (found === undefined) for (const command of step.commands) say(`     ${command}`)
    allDone &&= found !== undefined
  }
}

/** What a step finds. Where a step before it is still to be taken, it may not even be able to look. */
async function lookAhead(step: Step, allDone: boolean): Promise<string | undefined> {
  try {
    return await step.look()
  } catch (error) {
    if (allDone || !(error instanceof Failure)) throw error
    return undefined
  }
}
