import { Refusal } from '../../core/errors.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import { type Database, isTooBig, violates } from '../../db/database.ts'
import type { KeptAnswer } from '../../db/idempotency-keys.ts'
import { type CommitRefusal, commitRefusals } from '../../db/schema.ts'
import {
  type Committer,
  commitFiles,
  committedFile,
  type FileToCommit,
  whichAreCommitted,
} from '../../db/uploaded-files/commit.ts'

/**
 * Commits the files of one request. Throws a refusal when the domain may not have them, and D1's own error when a value
 * is too large for it: then they were certainly not committed. When the outcome is unknown the rows are read again: found
 * means committed, not found is `unavailable`, and the objects stay for the reconciler, since the batch may still be on its
 * way.
 */
export async function commitOrRefuse(
  db: Database,
  committer: Committer,
  files: readonly FileToCommit[],
  now: number,
  answerFor: ((uploads: readonly UploadedFile[]) => KeptAnswer) | null = null,
): Promise<UploadedFile[]> {
  const uploads = files.map((file) => committedFile(committer, file, now))
  try {
    await commitFiles(db, committer, files, now, answerFor?.(uploads) ?? null)
  } catch (error) {
    // As it would be the next time: an answer that invites to try again would be a lie.
    if (isTooBig(error)) throw error
    const refusal = refusalOfCommit(error)
    // A batch that has been written already would now miss its own claims: what the rows say comes first.
    if (refusal && !violates(error, 'claim_lost')) throw refusal
    const found = await whichAreCommitted(
      db,
      committer.domainId,
      files.map((file) => file.id),
    ).catch(() => new Set())
    if (found.size < files.length) throw refusal ?? new CommitUnknown(error)
  }
  return uploads
}

/** Nobody knows whether the batch was written, so nothing may be removed. */
export class CommitUnknown extends Refusal {
  constructor(cause: unknown) {
    super('unavailable', 'The upload could not be recorded just now. Send it again in a moment.', {
      retryAfterSeconds: 5,
      cause,
    })
  }
}

/** The answer to an upload whose row somebody deleted while its bytes came in. */
export function uploadDeleted(): Refusal {
  return new Refusal('upload-deleted', 'The upload was deleted while it was running.')
}

/** Why a commit was refused, and why one that can't succeed is not begun. */
export const refusals: Record<CommitRefusal, () => Refusal> = {
  domain_deleted: () => new Refusal('domain-not-found', 'This domain has been deleted.'),
  domain_suspended: () => new Refusal('domain-suspended', 'This domain takes no uploads at present. Ask its operator.'),
  key_revoked: () =>
    new Refusal('credential-invalid', 'This credential was revoked, or expired, while the upload was running.'),
  no_longer_open: () => new Refusal('credential-required', 'This domain no longer takes uploads without a credential.'),
  token_used_up: () =>
    new Refusal('token-used-up', 'This upload token has brought as many files as it may. Ask for a new one.'),
  claim_lost: uploadDeleted,
  idempotency_lost: () =>
    new Refusal('idempotency-in-progress', 'Another request has taken over this Idempotency-Key. Ask again shortly.', {
      retryAfterSeconds: 2,
    }),
  commit_too_late: () =>
    new Refusal(
      'body-timeout',
      'The upload took longer than 12 hours. Send smaller files, or use a faster connection.',
    ),
  quota_files: () =>
    new Refusal('quota-exceeded', 'This domain already stores as many files as its quota allows. Delete some first.'),
  quota_bytes: () =>
    new Refusal('quota-exceeded', 'This upload would overrun the domain’s storage quota. Delete something first.'),
}

/** The refusal behind a failed commit or claim, when the database named one. */
export function refusalOfCommit(error: unknown): Refusal | undefined {
  const name = commitRefusals.find((refusal) => violates(error, refusal))
  return name && refusals[name]()
}
