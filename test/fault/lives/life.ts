import { FaultPlan } from '../outside-calls.ts'
import type { Stage } from '../stage.ts'
import type { State } from '../state.ts'

export const minute = 60_000
export const hour = 60 * minute
export const day = 24 * hour

/** The whole way of an upload, or of a part of it that the reconciler has to finish. */
export interface Life {
  name: string
  /** A call that it has to make when nothing fails: without it, it would not be about what its name says. */
  about?: string
  /** Brings about what the life begins with: without faults, and not counted. */
  prepare?(stage: Stage): Promise<unknown>
  /** What is counted, and fails at one point. */
  run(stage: Stage): Promise<unknown>
  /** What the client does after the fault: without faults, and not counted. */
  after?(stage: Stage): Promise<unknown>
  /** Looks at more of what is left at the end than `judge` is given, and says what is wrong. */
  settled?(stage: Stage): Promise<unknown>
  /** What is wrong with the end of it, beyond what must hold of every state. */
  judge(stage: Stage, state: State): string[]
}

/** Ends the invocation at the first call whose name begins like this. */
export async function crashing(stage: Stage, call: string, run: () => Promise<unknown>): Promise<void> {
  const plan = stage.plan
  stage.plan = new FaultPlan((_index, name) => (name.startsWith(call) ? 'crash after' : null))
  await run()
  if (stage.plan.struck === null) throw new Error(`There was no call ${call}.`)
  stage.plan = plan
}
