import { and, lte, type SQL, sql } from 'drizzle-orm'
import { compile } from './compiled.ts'
import type { Database } from './database.ts'
import { tokenUses, uploadedFiles } from './schema.ts'

/** An upload token, as far as its uses are counted. */
export interface CountedToken {
  tokenId: string
  /** How many files it may bring in all; null is no limit, and then none is counted. */
  uses: number | null
  /** Milliseconds since 1970. */
  expiresAt: number
}

const given = sql.placeholder

const takeStatement = compile((db) =>
  db
    .insert(tokenUses)
    .values({
      domainId: given('domainId'),
      tokenId: given('tokenId'),
      used: given('files'),
      expiresAt: given('expiresAt'),
    })
    .onConflictDoUpdate({
      target: [tokenUses.domainId, tokenUses.tokenId],
      set: { used: sql`used + ${given('files')}` },
    }),
)

/** Counts files against their token, in the batch of a commit or a claim, once `admit` has found that it may bring them. */
export function takeUses(
  db: Database,
  domainId: string,
  { tokenId, expiresAt }: CountedToken,
  files: number,
): D1PreparedStatement {
  return takeStatement(db, { domainId, tokenId, expiresAt, files })
}

/**
 * The statement that gives back the use of each of these files that is still `uploading`: it stands in the batch that
 * deletes them, before they move. A file that was accepted once has used its token up for good.
 */
export function giveBackUses(db: Database, these: SQL | undefined) {
  const claims = db
    .select({ domainId: uploadedFiles.domainId, tokenId: uploadedFiles.tokenId })
    .from(uploadedFiles)
    .where(and(these, sql`${uploadedFiles.status} = 'uploading'`))
  return db
    .update(tokenUses)
    .set({ used: sql`used - 1` })
    .where(sql`(${tokenUses.domainId}, ${tokenUses.tokenId}) IN ${claims}`)
}

/** Forgets the uses of tokens that ended at this time or before. */
export async function forgetTokenUses(db: Database, expiredBy: number): Promise<void> {
  await db.delete(tokenUses).where(lte(tokenUses.expiresAt, expiredBy))
}
