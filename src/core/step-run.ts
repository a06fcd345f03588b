/** Why a step has ended a file's way: `failed`, or `quarantined` where the file may be dangerous. */
export interface StepRefusal {
  verdict: 'failed' | 'quarantined'
  /** Stable, in kebab-case. */
  code: string
  /** What was found, in a sentence. */
  detail: string
}

/** How far one step is with one generation of a file. A step that has not begun has no run. */
export interface StepRun {
  /** The name that the policy has it under. */
  step: string
  /** `waiting`: nobody works on it until its next job comes. */
  status: 'running' | 'waiting' | 'complete' | 'refused'
  /** The attempt of the file that it began in, or came to its end. */
  attempt: number
  /** 0 … 1; null where the step does not tell. */
  progress: number | null
  /** What it has left for itself; null once it has ended. */
  state: unknown
  /** What came from outside while it waited. */
  answer: unknown
  /** Null until it has ended with one. */
  result: Record<string, unknown> | null
  /** The work of all its jobs together. */
  durationMs: number
  /** Milliseconds since 1970; null until it has ended. */
  finishedAt: number | null
}

/** One stored variant of a file, as its row says. */
export interface Variant {
  readonly name: string
  /** The step that made it. */
  readonly step: string
  readonly objectKey: string
  readonly type: string
  /** Bytes. */
  readonly size: number
  /** Hexadecimal. */
  readonly sha256: string
  /** Pixels, of a picture. */
  readonly width: number | null
  readonly height: number | null
}
