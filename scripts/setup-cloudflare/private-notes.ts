import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'

const shape = z.object({
  /** The slug of the first domain. */
  domain: z.string().optional(),
  /** The administrator's token, from before it is stored in Cloudflare until it was shown. */
  adminToken: z.string().optional(),
  /** The `Idempotency-Key` of the test upload, until that is deleted again. */
  testUpload: z.string().optional(),
  /** The domains, by their slugs, that this setup has made and not yet shown the key of; with that once it is made. */
  dueKeys: z.array(z.object({ domain: z.string(), key: z.string().optional() })).default([]),
})

export type Notes = z.infer<typeof shape>

/**
 * What a setup that is cut off has to remember for the next one, in a file that only this user can read and git ignores.
 * Cloudflare gives no secret back: one that was stored there and shown to nobody would be lost.
 */
export class PrivateNotes {
  readonly #path: string
  #notes: Notes

  private constructor(path: string, notes: Notes) {
    this.#path = path
    this.#notes = notes
  }

  /** The notes about the deployment at `host`; empty when there are none, or none that can be read. */
  static async open(folder: string, host: string): Promise<PrivateNotes> {
    const path = join(folder, '.stevedore', 'setup', `${host}.json`)
    const text = await readFile(path, 'utf8').catch(() => '{}')
    return new PrivateNotes(path, parseNotes(text))
  }

  get now(): Readonly<Notes> {
    return this.#notes
  }

  /** Writes what has changed; `undefined` forgets. It is on the disk when this resolves, whole or not at all. */
  async change(changed: { [Name in keyof Notes]?: Notes[Name] | undefined }): Promise<void> {
    const notes = shape.parse({ ...this.#notes, ...changed })
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    await writeFile(`${this.#path}.new`, `${JSON.stringify(notes, null, 2)}\n`, { mode: 0o600 })
    await rename(`${this.#path}.new`, this.#path)
    this.#notes = notes
  }
}

function parseNotes(text: string): Notes {
  try {
    return shape.parse(JSON.parse(text))
  } catch {
    return shape.parse({})
  }
}
