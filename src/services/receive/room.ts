import type { Domain, StoredUsage } from '../../core/domain.ts'
import type { Policy } from '../../core/policy.ts'
import type { Database } from '../../db/database.ts'
import { findUsage } from '../../db/domain-accounts.ts'
import type { ByteSource } from '../../multipart/byte-source.ts'
import { refusals } from './commit.ts'

/**
 * Throws `quota-exceeded` when a request that brings at least one file, and at least `bytes`, can't be committed, so
 * that nobody sends gigabytes for nothing. What speaks against it is looked up again before it counts: space may have
 * been freed a second ago. What speaks for it is not: the commit has the last word.
 */
export async function requireRoom(db: Database, domain: Domain, bytes: number): Promise<void> {
  const { policy, stored } = domain
  if (!overrunsFiles(policy, stored) && !overrunsBytes(policy, stored, bytes)) return
  const now = await findUsage(db, domain.id)
  if (now && overrunsFiles(policy, now)) throw refusals.quota_files()
  if (now && overrunsBytes(policy, now, bytes)) throw refusals.quota_bytes()
}

/**
 * The room for the bytes of one request's files, of which nobody has said how many they will be: nothing is reserved for
 * them, so they are held against the quota as they arrive.
 */
export class Room {
  readonly #db: Database
  readonly #domain: Domain
  /** As last looked up: once more only when the bytes have outgrown it. */
  #stored: StoredUsage

  constructor(db: Database, domain: Domain) {
    this.#db = db
    this.#domain = domain
    this.#stored = domain.stored
  }

  /** The same file, which throws `quota-exceeded` when it has no room behind the `before` bytes of those before it. */
  holding(source: ByteSource, before: number): ByteSource {
    if (this.#domain.policy.quotaBytes === null) return source
    let bytes = before
    return {
      fill: async (buffer, offset) => {
        const filled = await source.fill(buffer, offset)
        bytes += filled.end - offset
        if (this.#isOverrunBy(bytes)) await this.#lookUp(bytes)
        return filled
      },
    }
  }

  async #lookUp(bytes: number): Promise<void> {
    this.#stored = (await findUsage(this.#db, this.#domain.id)) ?? this.#stored
    if (this.#isOverrunBy(bytes)) throw refusals.quota_bytes()
  }

  #isOverrunBy(bytes: number): boolean {
    return overrunsBytes(this.#domain.policy, this.#stored, bytes)
  }
}

function overrunsFiles({ quotaFiles }: Policy, stored: StoredUsage): boolean {
  return quotaFiles !== null && stored.files + 1 > quotaFiles
}

function overrunsBytes({ quotaBytes }: Policy, stored: StoredUsage, bytes: number): boolean {
  return quotaBytes !== null && stored.bytes + bytes > quotaBytes
}
