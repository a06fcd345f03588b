import { type DrizzleD1Database, drizzle } from 'drizzle-orm/d1'
import type { Meter } from '../core/ports.ts'
import { type D1Calls, tellingTrouble } from './trouble.ts'

/** One D1 database, seen through Drizzle. Every query function takes one as its first argument. */
export type Database = DrizzleD1Database & { $client: D1Calls }

/** Whatever is asked of the database throws `Unavailable` (perhaps as a cause) when the fault is the database's own. */
export function openDatabase(d1: D1Database, meter: Meter): Database {
  return drizzle(tellingTrouble(d1, meter) as D1Database)
}

/** Whether a failed write was refused by the check or unique index of this name, and so did certainly not happen. */
export function violates(error: unknown, constraint: string): boolean {
  return innermostMessage(error).includes(`constraint failed: ${constraint}`)
}

/** Whether a write was refused because a value of it is larger than D1 takes, and so did certainly not happen. */
export function isTooBig(error: unknown): boolean {
  return innermostMessage(error).includes(': SQLITE_TOOBIG')
}

/** Drizzle wraps D1's error, with the client's own text among its parameters: only the innermost one is SQLite's word. */
function innermostMessage(error: unknown): string {
  let current = error
  while (current instanceof Error && current.cause !== undefined) current = current.cause
  return current instanceof Error ? current.message : ''
}
