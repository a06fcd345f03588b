import { getTableColumns, type Placeholder, sql } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Database } from './database.ts'

/**
 * One statement that inserts any number of rows, handed over as JSON: D1 takes at most 100 bound parameters, and counts
 * every statement of a batch. `rows` is one of the values that `rowsAsJson` makes of them, or a placeholder for it.
 */
export function insertRows<Table extends SQLiteTable>(db: Database, table: Table, rows: string | Placeholder) {
  // `->` keeps JSON as JSON, `->>` gives SQL's own numbers, texts and NULL.
  const values = Object.entries(getTableColumns(table)).map(([key, column]) =>
    sql.raw(`value ${column.dataType === 'json' ? '->' : '->>'} '$.${key}'`),
  )
  return db.insert(table).select(sql`SELECT ${sql.join(values, sql`, `)} FROM json_each(${rows})`)
}

/** D1 takes no value of more than 2,000,000 bytes, and a character may be three. */
const mostCharacters = 500_000

/**
 * Rows with all their columns, the table's defaults included, as one value for each statement that inserts them: nearly
 * always one, and more where they have much to say.
 */
export function rowsAsJson<Table extends SQLiteTable>(table: Table, rows: readonly Table['$inferInsert'][]): string[] {
  const columns = Object.entries(getTableColumns(table))
  const groups: string[][] = []
  let room = 0
  for (const row of rows as readonly Record<string, unknown>[]) {
    const json = JSON.stringify(
      Object.fromEntries(columns.map(([key, column]) => [key, row[key] ?? column.default ?? null])),
    )
    if (json.length > room) {
      groups.push([])
      room = mostCharacters
    }
    groups.at(-1)?.push(json)
    room -= json.length
  }
  return groups.map((group) => `[${group.join(',')}]`)
}
