import type { Log } from './core/ports.ts'

/** Writes each event as one line of JSON. Errors keep their message, stack and cause; they never leave by another way. */
export const log: Log = (level, event, fields = {}) => {
  const line = JSON.stringify({ level, event, ...fields }, (_key, value) =>
    value instanceof Error ? describe(value) : value,
  )
  console[level](line)
}

function describe(error: Error): Record<string, unknown> {
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  }
}
