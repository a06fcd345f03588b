import { type DrizzleD1Database, drizzle } from 'drizzle-orm/d1'

/** One D1 database, seen through Drizzle. Every query function takes one as its first argument. */
export type Database = DrizzleD1Database

export function openDatabase(d1: D1Database): Database {
  return drizzle(d1)
}

/** Whether a failed write was refused by the check or unique index of this name, and so did certainly not happen. */
export function violates(error: unknown, constraint: string): boolean {
  return messagesOf(error).some((message) => message.includes(`constraint failed: ${constraint}`))
}

/** Whether SQLite itself refused the write. Any other failure leaves open whether the write happened. */
export function isConstraintViolation(error: unknown): boolean {
  return messagesOf(error).some((message) => message.includes('SQLITE_CONSTRAINT'))
}

/** Drizzle wraps D1's error in one of its own, as its cause. */
function messagesOf(error: unknown): string[] {
  const messages: string[] = []
  for (let current = error; current instanceof Error; current = current.cause) messages.push(current.message)
  return messages
}
