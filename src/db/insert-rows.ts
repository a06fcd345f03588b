import { getTableColumns, type Placeholder, sql } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { Database } from './database.ts'

/**
 * One statement that inserts any number of rows, handed over as JSON: D1 takes at most 100 bound parameters, and counts
 * every statement of a batch. `rows` is what `rowsAsJson` makes of them, or a placeholder for it.
 */
export function insertRows<Table extends SQLiteTable>(db: Database, table: Table, rows: string | Placeholder) {
  // `->` keeps JSON as JSON, `->>` gives SQL's own numbers, texts and NULL.
  const values = Object.entries(getTableColumns(table)).map(([key, column]) =>
    sql.raw(`value ${column.dataType === 'json' ? '->' : '->>'} '$.${key}'`),
  )
  return db.insert(table).select(sql`SELECT ${sql.join(values, sql`, `)} FROM json_each(${rows})`)
}

/** Rows with all their columns, the table's defaults included. */
export function rowsAsJson<Table extends SQLiteTable>(table: Table, rows: readonly Table['$inferInsert'][]): string {
  const columns = Object.entries(getTableColumns(table))
  return JSON.stringify(
    rows.map((row: Record<string, unknown>) =>
      Object.fromEntries(columns.map(([key, column]) => [key, row[key] ?? column.default ?? null])),
    ),
  )
}
