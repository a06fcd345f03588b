import { globSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** A multipart upload as the local R2 keeps it. */
export interface MultipartRow {
  uploadId: string
  key: string
  state: 'open' | 'completed' | 'aborted'
  parts: number
}

const states = ['open', 'completed', 'aborted'] as const

/**
 * The local R2's own books. The binding lists objects but no unfinished uploads, so these are read from the SQLite file
 * that the runtime keeps below `folder`.
 */
export class R2State {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Every multipart upload that was ever started for keys that end with `suffix`. */
  multiparts(suffix: string): MultipartRow[] {
    return this.#read((database) =>
      database
        .prepare(
          `SELECT upload_id, key, state, (SELECT count(*) FROM _mf_multipart_parts p WHERE p.upload_id = u.upload_id) AS parts
           FROM _mf_multipart_uploads u WHERE key LIKE '%' || ?`,
        )
        .all(suffix)
        .map((row) => ({
          uploadId: String(row.upload_id),
          key: String(row.key),
          state: states[Number(row.state)] ?? 'open',
          parts: Number(row.parts),
        })),
    )
  }

  #read<T>(query: (database: DatabaseSync) => T[]): T[] {
    const [file] = globSync('**/miniflare-R2BucketObject/*.sqlite', { cwd: this.#folder }).filter(
      (name) => !name.endsWith('metadata.sqlite'),
    )
    // The runtime makes the file with the first use of the bucket.
    if (!file) return []
    const database = new DatabaseSync(join(this.#folder, file), { readOnly: true })
    try {
      return query(database)
    } finally {
      database.close()
    }
  }
}
