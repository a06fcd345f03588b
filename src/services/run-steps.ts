import type { Journal } from '../core/ports.ts'
import type { StepRefusal, StepRun } from '../core/step-run.ts'
import { nameOfSetting, type StepSetting } from '../core/step-settings.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import type { StepNote } from '../core/work-record.ts'
import { findAccount } from '../db/domain-accounts.ts'
import { findStandingQuarantine, findStepRuns, finishStep, refuseStep, saveStepState } from '../db/step-runs.ts'
import type { Hold } from '../db/uploaded-files/move.ts'
import { findStep } from '../processing/settings.ts'
import type { Step, StepOutcome, Steps } from '../processing/step.ts'
import { openStepContext, type StepContextParts } from './step-context.ts'

export interface RunStepsParts extends StepContextParts {
  steps: Steps
  journal: Pick<Journal, 'note'>
}

/**
 * Where the steps have led. `done`: all have run. `refused`: one has found that the file is no good. `paused`: one goes on
 * in another job, at once, or when it is `until` (milliseconds since 1970).
 */
export type StepsOutcome =
  | { kind: 'done' }
  | { kind: 'refused'; refusal: StepRefusal }
  | { kind: 'paused'; until: number | null }

/**
 * Runs what has not been run yet in this generation, in the policy's order; what each step comes to is written down
 * before the next begins. Throws when a step could not tell this time, and when the lease was lost.
 */
export async function runSteps(
  file: UploadedFile,
  hold: Hold,
  lost: AbortSignal,
  parts: RunStepsParts,
): Promise<StepsOutcome> {
  const account = await findAccount(parts.db, file.domainId)
  if (!account) throw new Error('The domain of this file has no account.')
  const runs = await findStepRuns(parts.db, file.id, file.generation)
  const ran: StepNote[] = []
  parts.journal.note({ steps: ran })
  for (const setting of account.policy.steps) {
    const run = runs.find(({ step }) => step === nameOfSetting(setting))
    if (run?.status === 'complete') continue
    lost.throwIfAborted()
    const ended = await runStep({ file, hold, setting, run, lost, ran }, parts)
    if (ended.kind !== 'done') return ended
  }
  // What one step has found dangerous, only that step can clear: a policy that no longer has it does not.
  const standing = file.generation === 1 ? null : await findStandingQuarantine(parts.db, file)
  return standing ? { kind: 'refused', refusal: standing } : { kind: 'done' }
}

interface Turn {
  file: UploadedFile
  hold: Hold
  setting: StepSetting
  run: StepRun | undefined
  lost: AbortSignal
  /** What has run in this job, this step included once it has. */
  ran: StepNote[]
}

/** Runs one step and writes down what it came to. */
async function runStep(turn: Turn, parts: RunStepsParts): Promise<StepsOutcome> {
  const { file, hold, setting, run, lost, ran } = turn
  const { db, now } = parts
  const step = requireStep(setting, parts.steps)
  const name = nameOfSetting(setting)
  const options = step.options.parse(setting.options ?? {})
  if (!step.accepts(file.type, options)) return { kind: 'done' }
  const { context, variants } = openStepContext({ file, hold, name, options, run, lost }, parts)
  const startedAt = now()
  const outcome = await step.run(context).catch((cause: unknown) => ({ kind: 'thrown' as const, cause }))
  const work = { step: name, workedMs: now() - startedAt, usesAnswerUp: context.answer !== null }
  ran.push({ step: setting.step, outcome: outcome.kind, ms: work.workedMs })
  switch (outcome.kind) {
    case 'result': {
      const { result } = outcome
      const replaced = await finishStep(db, hold, { ...work, result, finishedAt: now() }, variants)
      await removeReplaced(replaced, file, parts)
      return { kind: 'done' }
    }
    case 'verdict': {
      const { verdict, code, detail } = outcome
      const refusal = { verdict, code, detail }
      await refuseStep(db, hold, { ...work, refusal, finishedAt: now() })
      return { kind: 'refused', refusal }
    }
    case 'retry':
    case 'thrown':
      // An answer that led nowhere must not be read again by each attempt that is left: the next one asks anew.
      if (work.usesAnswerUp) await saveStepState(db, hold, { ...work, status: 'running', state: null })
      throw outcome.kind === 'thrown'
        ? outcome.cause
        : new Error(`The step "${name}" could not tell: ${outcome.detail}`)
    case 'continue':
    case 'wait':
      await saveStepState(db, hold, { ...work, ...stateAfter(outcome) })
      return { kind: 'paused', until: outcome.kind === 'wait' ? outcome.until : null }
  }
}

function stateAfter({ kind, state }: Extract<StepOutcome, { state: unknown }>) {
  return { status: kind === 'wait' ? ('waiting' as const) : ('running' as const), state }
}

/** Throws where the deployment has lost a step that its domains still ask for: files wait until it is back. */
function requireStep(setting: StepSetting, steps: Steps): Step {
  const step = findStep(steps, setting)
  if (!step) throw new Error(`This deployment has no step "${setting.step}".`)
  if (step.unavailable !== undefined) throw new Error(`The step "${setting.step}" ${step.unavailable}.`)
  return step
}

/** Removes what an earlier generation's variants were. What can't be removed now goes when the file is deleted. */
async function removeReplaced(keys: string[], file: UploadedFile, { storage, log }: RunStepsParts): Promise<void> {
  try {
    await storage.remove(keys)
  } catch (error) {
    log('warn', 'replaced-variants-not-removed', { uploadId: file.id, error })
  }
}
