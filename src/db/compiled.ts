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
    return db.$client.prepare(compiled.sql).bind(...compiled.bound.map(({ name, encode }) => encode(values[name])))
  }
}

interface Compiled {
  sql: string
  /** What is bound to `?1`, `?2` and so on. */
  bound: readonly { name: string; encode(value: unknown): unknown }[]
}

function toCompiled({ sql, params }: Query): Compiled {
  const pieces = sql.split('?')
  if (pieces.length !== params.length + 1) throw new Error('A compiled statement has a question mark in a literal.')
  const names: string[] = []
  const bound: Compiled['bound'][number][] = []
  const numbered = params.map((param) => {
    const isEncoded = is(param, Param)
    const named = isEncoded ? param.value : param
    if (!is(named, Placeholder)) return literal(param)
    const name = named.name as string
    // The same value may go to two columns, and be written for each in its own way.
    const key = isEncoded ? `${name}, encoded` : name
    let index = names.indexOf(key)
    if (index < 0) {
      index = names.push(key) - 1
      bound.push({ name, encode: isEncoded ? (value) => param.encoder.mapToDriverValue(value) : (value) => value })
    }
    return `?${index + 1}`
  })
  return { sql: pieces.map((piece, index) => piece + (numbered[index] ?? '')).join(''), bound }
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
