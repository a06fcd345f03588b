import { globSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ensureOpenDomain, type LocalServer, startLocalServer } from '../../../scripts/local-server.ts'
import { findFreePort } from '../../../scripts/ports.ts'
import { type Answer, type Call, call } from './http.ts'
import { R2State } from './r2-state.ts'

const slug = 'demo'

/**
 * The server as `npm run dev` starts it, on state that outlives it: it may be stopped, killed, and started again on
 * another port. It has one domain, which takes anonymous uploads.
 */
export class KeptServer {
  /** The domain's own host. */
  readonly host = `${slug}.localhost`
  readonly r2: R2State
  readonly #stateFolder: string
  #server: LocalServer | undefined
  #port = 0

  static async on(name: string): Promise<KeptServer> {
    return new KeptServer(await mkdtemp(join(tmpdir(), `stevedore-${name}-`)))
  }

  private constructor(stateFolder: string) {
    this.#stateFolder = stateFolder
    this.r2 = new R2State(stateFolder)
  }

  /** The port of the server that was started last. */
  get port(): number {
    return this.#port
  }

  async start(vars: Record<string, string> = {}): Promise<void> {
    const port = await findFreePort()
    const signal = new AbortController().signal
    this.#server = await startLocalServer({ port, stateFolder: this.#stateFolder, readDevVars: false, vars, signal })
    await ensureOpenDomain(this.#server, slug, AbortSignal.timeout(30_000))
    this.#port = port
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
    this.#server = undefined
  }

  /** Ends it at once, at whatever line it is. */
  async kill(): Promise<void> {
    await this.#server?.kill()
    this.#server = undefined
  }

  /** Stops it, and removes its state. */
  async remove(): Promise<void> {
    await this.stop()
    await rm(this.#stateFolder, { recursive: true, force: true })
  }

  /** One request to the domain. */
  call(method: string, target: string, options: Call = {}): Promise<Answer> {
    return call(this.#port, method, target, { host: this.host, ...options })
  }

  /** Runs the scheduled handler, which has nothing to do with a domain. */
  runSchedule(): Promise<Answer> {
    return call(this.#port, 'GET', '/cdn-cgi/handler/scheduled')
  }

  /** Writes what only time would: publishes are due, and the leases of dead workers have ended. */
  bringTimeForward(): void {
    this.inDatabase((database) => {
      database.exec(
        `UPDATE uploaded_files SET next_publish_at = 1 WHERE status = 'pending' AND next_publish_at IS NOT NULL`,
      )
      database.exec(`UPDATE uploaded_files SET lease_expires_at = 1 WHERE status = 'processing' AND attempts < 4`)
    })
  }

  /**
   * Lets days go by: starts and stops the server with its clock so many hours ahead, an hour apart, so that what was
   * written late goes as well. What nobody can finish any more is gone afterwards.
   */
  async letPass(hours: number): Promise<void> {
    for (const ahead of [hours, hours + 2]) {
      await this.start({ CLOCK_OFFSET_SECONDS: String(ahead * 3600) })
      for (let sweep = 0; sweep < 20; sweep++) await this.runSchedule()
      await this.stop()
    }
  }

  /** Looks into the database, or writes to it. */
  inDatabase<T>(work: (database: DatabaseSync) => T): T {
    return this.#inFile('miniflare-D1DatabaseObject', work)
  }

  /** The rows of all uploaded files that meet this condition. */
  filesWhere(condition: string): { id: string; object_key: string; filename: string; size: number; status: string }[] {
    return this.inDatabase((database) =>
      database.prepare(`SELECT id, object_key, filename, size, status FROM uploaded_files WHERE ${condition}`).all(),
    ) as ReturnType<KeptServer['filesWhere']>
  }

  /** What the domain is charged with. */
  account(): Record<string, unknown> | undefined {
    return this.inDatabase((database) =>
      database.prepare('SELECT stored_files, stored_bytes FROM domain_accounts').get(),
    )
  }

  /** The keys of all objects in the bucket. */
  objectKeys(): string[] {
    return this.#inFile('miniflare-R2BucketObject', (database) =>
      database.prepare('SELECT key FROM _mf_objects ORDER BY key').all(),
    ).map(({ key }) => String(key))
  }

  #inFile<T>(kind: string, work: (database: DatabaseSync) => T): T {
    const files = globSync(`**/${kind}/*.sqlite`, { cwd: this.#stateFolder })
    const [file] = files.filter((name) => !name.endsWith('metadata.sqlite'))
    const database = new DatabaseSync(join(this.#stateFolder, file as string))
    try {
      return work(database)
    } finally {
      database.close()
    }
  }
}
