import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'

export const sessionOf = (id: string) => env.UPLOAD_SESSIONS.getByName(id)

/** Ends the object of a session, with all that it has in memory, as the platform does when it likes. */
export async function evict(id: string): Promise<void> {
  // One that does not run can't be ended.
  await sessionOf(id).view('')
  await evictDurableObject(sessionOf(id))
}

/** Changes what a session has on disk; it finds it when it is started again. */
export async function tamper(id: string, sql: string, ...values: unknown[]): Promise<void> {
  await runInDurableObject(sessionOf(id), (_session, { storage }) => {
    storage.sql.exec(sql, ...values)
  })
  await evict(id)
}

/** Lets the time of a session be over, without telling it. */
export const expire = (id: string) => tamper(id, "UPDATE session SET opening = json_set(opening, '$.expiresAt', 1)")

/** Runs the alarm that a session has set, whenever it is due. Returns whether there was one. */
export const alarm = (id: string) => runDurableObjectAlarm(sessionOf(id))

/** When the alarm of a session is due, in milliseconds since 1970; null where it has set none. */
export const alarmOf = (id: string) => runInDurableObject(sessionOf(id), (_session, { storage }) => storage.getAlarm())

/** How many bytes a session has on disk that are not in R2. */
export const tailBytesOf = (id: string) =>
  runInDurableObject(
    sessionOf(id),
    (_session, { storage }) =>
      storage.sql.exec<{ bytes: number }>('SELECT coalesce(sum(length(bytes)), 0) AS bytes FROM tail').one().bytes,
  )

/** The names of the tables that a session has on disk: none where there is no session. */
export const tablesOf = (id: string): Promise<string[]> =>
  runInDurableObject(sessionOf(id), (_session, { storage }) =>
    storage.sql
      .exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
      )
      .toArray()
      .map(({ name }) => name),
  )
