import { type LogLevel, logLevels, logLine } from './core/log-line.ts'
import type { Log } from './core/ports.ts'

/** Writes each event of this level and above as one line of JSON. `context`: what every line says of where it was written. */
export function logFrom(least: LogLevel, context: () => Record<string, unknown>): Log {
  const from = logLevels.indexOf(least)
  return (level, event, fields) => {
    if (logLevels.indexOf(level) >= from) console[level](logLine(level, event, { ...context(), ...fields }))
  }
}
