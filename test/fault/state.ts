import { env } from 'cloudflare:workers'
import { sha256 } from '../support/e2e/bodies.ts'
import { allRows, isOpenMultipart, objectKeys, type TestDomain } from '../support/workers/client.ts'
import type { MultipartLedger } from './watched-bindings.ts'

export interface Row {
  id: string
  object_key: string
  r2_upload_id: string | null
  filename: string
  size: number
  sha256: string
  status: string
  generation: number
  last_event: number
  updated_at: number
  lease_expires_at: number | null
  next_publish_at: number | null
  next_attempt_at: number | null
  postponed_at: number | null
  removal_due_at: number | null
}

/** What is left of a life when all has come to rest. */
export interface State {
  rows: Row[]
  /** The rows that are not deleted. */
  present: Row[]
  events: { file_id: string; number: number; kind: string; generation: number }[]
}

export function readRows(): Promise<Row[]> {
  return allRows<Row>('SELECT * FROM uploaded_files ORDER BY id')
}

/** Whether a row waits for anything. */
export async function isUnsettled(): Promise<boolean> {
  const waiting = await allRows(
    `SELECT id FROM uploaded_files WHERE status IN ('uploading', 'pending', 'processing')
      OR coalesce(next_publish_at, lease_expires_at, removal_due_at) IS NOT NULL
    UNION ALL SELECT id FROM webhook_deliveries WHERE status = 'waiting'
    UNION ALL SELECT domain_id FROM webhook_progress WHERE seq < (SELECT max(seq) FROM file_events) LIMIT 1`,
  )
  return waiting.length > 0
}

/** Objects of deleted files, as sentences. */
export async function deletedObjects(): Promise<string[]> {
  const keys = await objectKeys()
  const rows = await readRows()
  return rows
    .filter((row) => row.status === 'deleted' && keys.includes(row.object_key))
    .map((row) => `the deleted file ${row.id} still has its object`)
}

/**
 * Everything that must hold whatever happened, as the sentences that are not true. `recorded`: the multipart uploads that
 * a row named when the fault was over; another one, without a part, is the one leftover that is allowed. Null: none is.
 */
export async function judge(
  domain: TestDomain,
  ledger: MultipartLedger,
  recorded: ReadonlySet<string> | null,
): Promise<{ state: State; wrong: string[] }> {
  const wrong: string[] = []
  const rows = await readRows()
  const present = rows.filter((row) => row.status !== 'deleted')
  const events = await allRows<State['events'][number]>(
    'SELECT file_id, number, kind, generation FROM file_events ORDER BY file_id, number',
  )
  const results = await allRows<{ file_id: string; generation: number; n: number }>(
    'SELECT file_id, generation, count(*) AS n FROM step_runs GROUP BY file_id, generation',
  )

  for (const row of present) {
    if (row.status !== 'complete') wrong.push(`${row.filename} is ${row.status}`)
    const object = await env.BUCKET.get(row.object_key)
    if (!object) wrong.push(`${row.filename} has a row and no object`)
    else {
      const bytes = new Uint8Array(await object.arrayBuffer())
      if (bytes.length !== row.size || sha256(bytes) !== row.sha256) wrong.push(`${row.filename} has other bytes`)
    }
    for (let generation = 1; generation <= row.generation; generation++) {
      const ends = events.filter(
        (event) => event.file_id === row.id && event.generation === generation && event.kind === 'complete',
      )
      if (ends.length !== 1) wrong.push(`generation ${generation} of ${row.filename} is complete ${ends.length} times`)
      const steps = results.find((result) => result.file_id === row.id && result.generation === generation)?.n ?? 0
      if (steps !== 1) wrong.push(`generation ${generation} of ${row.filename} has ${steps} step results`)
    }
  }
  for (const row of rows) {
    const numbers = events.filter((event) => event.file_id === row.id).map((event) => event.number)
    if (numbers.join() !== Array.from({ length: row.last_event }, (_, index) => index + 1).join()) {
      wrong.push(`the events of ${row.id} are numbered ${numbers}, and the last is ${row.last_event}`)
    }
    for (const due of ['lease_expires_at', 'next_publish_at', 'next_attempt_at', 'postponed_at'] as const) {
      if (row[due] !== null) wrong.push(`${row.id} (${row.status}) has ${due} for ever`)
    }
    if (row.removal_due_at !== null) wrong.push(`${row.id} (${row.status}) is to be removed for ever`)
  }
  const ids = new Set(rows.map((row) => row.id))
  for (const event of events) if (!ids.has(event.file_id)) wrong.push(`an event (${event.kind}) has no row`)
  for (const result of results) if (!ids.has(result.file_id)) wrong.push('a step result has no row')

  const known = new Set(present.map((row) => row.object_key))
  for (const key of await objectKeys()) if (!known.has(key)) wrong.push(`the object ${key} has no row`)

  for (const { uploadId, key, parts } of ledger.all) {
    if (!(await isOpenMultipart(key, uploadId))) continue
    const isAllowed = recorded !== null && !recorded.has(uploadId) && parts === 0
    if (!isAllowed) wrong.push(`the multipart upload of ${key} is open, with ${parts} parts`)
    await env.BUCKET.resumeMultipartUpload(key, uploadId).abort()
  }

  const usage = await env.DB.prepare(
    'SELECT stored_files, stored_bytes, month_uploads FROM domain_accounts WHERE domain_id = ?',
  )
    .bind(domain.id)
    .first<{ stored_files: number; stored_bytes: number; month_uploads: number }>()
  const bytes = present.reduce((sum, row) => sum + row.size, 0)
  if (usage?.stored_files !== present.length || usage.stored_bytes !== bytes) {
    wrong.push(
      `counted: ${usage?.stored_files} files, ${usage?.stored_bytes} bytes; stored: ${present.length}, ${bytes}`,
    )
  }
  // Accepted is what was ever pending, deleted since or not; where its history is forgotten too, nothing says how much.
  const accepted = new Set(events.filter((event) => event.kind === 'pending').map((event) => event.file_id)).size
  if (rows.length > 0 && usage?.month_uploads !== accepted) {
    wrong.push(`counted this month: ${usage?.month_uploads}; accepted: ${accepted}`)
  }
  const counted = await env.DB.prepare('SELECT coalesce(sum(uploads), 0) AS n FROM domain_days WHERE domain_id = ?')
    .bind(domain.id)
    .first<number>('n')
  if (rows.length > 0 && counted !== accepted) wrong.push(`counted by day: ${counted}; accepted: ${accepted}`)
  return { state: { rows, present, events }, wrong }
}

/** R2's ids of the multipart uploads that a row names. */
export async function recordedUploads(): Promise<Set<string>> {
  return new Set((await readRows()).flatMap((row) => row.r2_upload_id ?? []))
}

/** Empties the database of files, and the bucket. */
export async function clear(): Promise<void> {
  const keys = await objectKeys()
  if (keys.length > 0) await env.BUCKET.delete(keys)
  const tables = [
    'uploaded_files',
    'file_events',
    'step_runs',
    'dead_letters',
    'idempotency_keys',
    'sweep_cursors',
    'webhook_endpoints',
    'webhook_deliveries',
    'webhook_progress',
    'callback_secrets',
    'domain_days',
  ]
  await env.DB.batch([
    ...tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
    env.DB.prepare('UPDATE domain_accounts SET stored_files = 0, stored_bytes = 0, month_uploads = 0'),
    env.DB.prepare('UPDATE api_keys SET last_used_at = NULL'),
  ])
}
