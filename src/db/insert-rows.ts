import { getTableColumns, sql } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Database } from './database.ts'

/**
 * One statement that inserts any number of rows, handed over as JSON: D1 takes at most 100 bound parameters, and counts
 * every statement of a batch.
 */
export function insertRows<Table extends SQLiteTable>(db: Database, table: Table, rows: Table['$inferInsert'][]) {
  const columns = Object.entries(getTableColumns(table))
  const complete = rows.map((row: Record<string, unknown>) =>
    Object.fromEntries(columns.map(([key, column]) => [key, row[key] ?? column.default ?? null])),
  )
  // `->` keeps JSON as JSON, `->>` gives SQL's own numbers, texts and NULL.
  const values = columns.map(([key, column]) =>
    sql.raw(`value ${column.dataType === 'json' ? '->' : '->>'} '$.${key}'`),
  )
  return db.insert(table).select(sql`SELECT ${sql.join(values, sql`, `)} FROM json_each(${JSON.stringify(complete)})`)
}
