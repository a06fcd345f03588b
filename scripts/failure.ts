/** Something that stops a script and that its reader can act on: shown as its message alone, without a stack. */
export class Failure extends Error {
  override name = 'Failure'
}

/** What to print about anything thrown: the message of a `Failure`, the whole stack of a surprise. */
export function describeFailure(error: unknown): string {
  if (error instanceof Failure) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
