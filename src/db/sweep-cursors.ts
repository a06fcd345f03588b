import { eq } from 'drizzle-orm'
import type { Database } from './database.ts'
import { sweepCursors } from './schema.ts'

/** Where the sweep of this name goes on; empty at its beginning. */
export async function readCursor(db: Database, name: string): Promise<string> {
  const row = await db.select().from(sweepCursors).where(eq(sweepCursors.name, name)).get()
  return row?.cursor ?? ''
}

export async function writeCursor(db: Database, name: string, cursor: string): Promise<void> {
  await db
    .insert(sweepCursors)
    .values({ name, cursor })
    .onConflictDoUpdate({ target: sweepCursors.name, set: { cursor } })
}
