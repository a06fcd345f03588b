/** From the least to the most important. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

/**
 * One event as one line of JSON, its fields named in snake_case as log stores and OpenTelemetry have them. Errors keep
 * their message, stack and cause; they never leave by another way.
 */
export function logLine(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>): string {
  const line: Record<string, unknown> = { level, event }
  for (const name in fields) line[snakeCase(name)] = fields[name]
  return JSON.stringify(line, (_key, value) => (value instanceof Error ? describe(value) : value))
}

/** The names in the code are few, and each is written thousands of times. */
const known = new Map<string, string>()

function snakeCase(name: string): string {
  let snake = known.get(name)
  if (snake === undefined) {
    snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    known.set(name, snake)
  }
  return snake
}

function describe(error: Error): Record<string, unknown> {
  const message = withoutParameters(error.message)
  return {
    name: error.name,
    message,
    // It begins with the message.
    stack: error.stack?.replace(error.message, () => message),
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  }
}

/**
 * What libraries put before the values that something was sent with: Drizzle those of a query, among which are filenames,
 * metadata and what clients keep secret; Upstash those of a command, whose keys name clients by their addresses.
 */
const beforeParameters = ['\nparams: ', ', command was: ']

function withoutParameters(message: string): string {
  const found = beforeParameters.map((text) => message.indexOf(text)).filter((at) => at !== -1)
  return found.length === 0 ? message : message.slice(0, Math.min(...found))
}
