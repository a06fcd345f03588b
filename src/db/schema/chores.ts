import { integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { JobKind } from '../../core/job.ts'

/** Jobs that their queue has given up, for the administrator to see and send again. */
export const deadLetters = sqliteTable(
  'dead_letters',
  {
    id: text().primaryKey(),
    kind: text().$type<JobKind>().notNull(),
    rowId: text('row_id').notNull(),
    domainId: text('domain_id').notNull(),
    generation: integer().notNull(),
    publish: integer().notNull(),
    /** What the queue knows of the last try. */
    reason: text().notNull(),
    createdAt: integer('created_at').notNull(),
    retriedAt: integer('retried_at'),
  },
  (table) => [uniqueIndex('dead_letters_by_publish').on(table.kind, table.rowId, table.generation, table.publish)],
)

/** Where a sweep that is longer than one run goes on. */
export const sweepCursors = sqliteTable('sweep_cursors', {
  name: text().primaryKey(),
  cursor: text().notNull(),
})
