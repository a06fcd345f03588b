import { is, Param, Placeholder, type Query } from 'drizzle-orm'
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
 * anew takes Drizzle longer than to run it takes D1. D1 looks at every value that is bound, so each is bound once,
 * however often it is named, and what never changes is part of the SQL.
 */
export function compile<Values extends Record<string, unknown>>(
  build: (db: Database) => Buildable,
): (db: Database, values: Values) => D1PreparedStatement {
  let compiled: Compiled | undefined
  return (db, values) => {
    compiled ??= toCompiled(build(builder).toSQL())
    return db.$client.prepare(compiled.sql).bind(...compiled.bound.map((each) => encoded(each, values)))
  }
}

interface Compiled {
  sql: string
  /** What is bound to `?1`, `?2` and so on. */
  bound: readonly Bound[]
}

interface Bound {
  name: string
  /** Writes the value as its column wants it; null where it goes into SQL of our own, as it is. */
  encoder: Param['encoder'] | null
}

function toCompiled({ sql, params }: Query): Compiled {
  const pieces = sql.split('?')
  if (pieces.length !== params.length + 1) throw new Error('A compiled statement has a question mark in a literal.')
  const bound: Bound[] = []
  const numbered = params.map((param) => {
    const [named, encoder] = is(param, Param) ? [param.value, param.encoder] : [param, null]
    if (!is(named, Placeholder)) return literal(param)
    const name = named.name as string
    const known = bound.findIndex((each) => each.name === name && each.encoder === encoder)
    return `?${known < 0 ? bound.push({ name, encoder }) : known + 1}`
  })
  return { sql: pieces.map((piece, index) => piece + (numbered[index] ?? '')).join(''), bound }
}

function encoded({ name, encoder }: Bound, values: Record<string, unknown>): unknown {
  return encoder ? encoder.mapToDriverValue(values[name]) : values[name]
}

function literal(value: unknown): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`
  throw new Error(`A compiled statement has a constant that is a ${typeof value}.`)
}

/** Any other statement, for a batch that has compiled ones in it. */
export function toStatement(db: Database, query: Buildable): D1PreparedStatement {
  const { sql, params } = query.toSQL()
  return db.$client.prepare(sql).bind(...params)
}
