import { fillPlaceholders, type Query } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { Database } from './database.ts'

/** What Drizzle builds: it can write itself down as SQL. */
interface Buildable {
  toSQL(): Query
}

/** Builds, and never runs anything. */
const builder = drizzle({} as D1Database)

/**
 * A statement of the hot path. Its SQL is written once an isolate, with `sql.placeholder` for what changes: to build it
 * anew takes Drizzle longer than to run it takes D1.
 */
export function compile<Values extends Record<string, unknown>>(
  build: (db: Database) => Buildable,
): (db: Database, values: Values) => D1PreparedStatement {
  let query: Query | undefined
  return (db, values) => {
    query ??= build(builder).toSQL()
    return db.$client.prepare(query.sql).bind(...fillPlaceholders(query.params, values))
  }
}

/** Any other statement, for a batch that has compiled ones in it. */
export function toStatement(db: Database, query: Buildable): D1PreparedStatement {
  const { sql, params } = query.toSQL()
  return db.$client.prepare(sql).bind(...params)
}
