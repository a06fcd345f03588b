/** What one step found in one generation of a file. */
export interface StepResult {
  step: string
  attempt: number
  result: Record<string, unknown>
  durationMs: number
  /** Milliseconds since 1970. */
  finishedAt: number
}
