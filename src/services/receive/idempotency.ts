import { createHash, randomUUID } from 'node:crypto'
import { Refusal } from '../../core/errors.ts'
import type { Metadata } from '../../core/metadata.ts'
import type { Clock, Log } from '../../core/ports.ts'
import type { Database } from '../../db/database.ts'
import {
  findIdempotencyKey,
  freeIdempotencyKey,
  type HeldKey,
  type IdempotencyKey,
  renewIdempotencyKey,
  takeIdempotencyKey,
} from '../../db/idempotency-keys.ts'
import { readOutcomes } from './kept-outcomes.ts'
import type { FileOutcome } from './reception.ts'

/** For how long a key brings back its first answer. */
const rememberedMs = 24 * 3600 * 1000
const leaseMs = 60_000
const renewalMs = 20_000

/** What a request with an `Idempotency-Key` is: the first of its key, or a repeat of one that has been answered. */
export type KeyedRequest =
  | { kind: 'first'; held: HeldKey; stopRenewing(): void }
  | { kind: 'repeat'; fingerprint: string; outcomes: FileOutcome[] }

/** Reads the header's value: 1 to 255 visible ASCII characters, whose quotes, if it has any, are part of it. */
export function parseIdempotencyKey(value: string | undefined): string | null {
  if (value === undefined) return null
  if (/^[\x21-\x7e]{1,255}$/.test(value)) return value
  throw new Refusal(
    'idempotency-key-invalid',
    'An Idempotency-Key is 1 to 255 visible ASCII characters; a UUID is a good one.',
  )
}

/**
 * Claims a key before the body is read. Throws `idempotency-in-progress` while another request holds it. The claim is a
 * lease that is renewed while the body is read, so that a request which dies frees its key within a minute.
 */
export async function claimKey(
  { db, now, log }: { db: Database; now: Clock; log: Log },
  key: IdempotencyKey,
): Promise<KeyedRequest> {
  const held: HeldKey = { ...key, holder: randomUUID() }
  const times = {
    now: now(),
    leaseExpiresAt: now() + leaseMs,
    forgetBefore: now() - rememberedMs,
  }
  if (await takeIdempotencyKey(db, held, times)) {
    const timer = setInterval(() => {
      renewIdempotencyKey(db, held, now() + leaseMs).catch((error) => log('warn', 'key-not-renewed', { error }))
    }, renewalMs)
    return { kind: 'first', held, stopRenewing: () => clearInterval(timer) }
  }
  const known = await findIdempotencyKey(db, key)
  if (known?.outcome && known.fingerprint)
    return { kind: 'repeat', fingerprint: known.fingerprint, outcomes: readOutcomes(known.outcome) }
  throw new Refusal(
    'idempotency-in-progress',
    'The first request with this Idempotency-Key has not been answered yet. Ask again shortly.',
    {
      retryAfterSeconds: 2,
    },
  )
}

/** Gives a key back after a refusal. Never throws: its lease ends by itself. */
export async function freeKey({ db, log }: { db: Database; log: Log }, held: HeldKey): Promise<void> {
  try {
    await freeIdempotencyKey(db, held)
  } catch (error) {
    log('warn', 'key-not-freed', { error })
  }
}

/** One file of a request, as far as it tells this request from another. */
export interface FingerprintPart {
  field: string
  filename: string
  declaredType: string | null
  /** A refused file is skipped, so only its refusal is known. */
  content: { size: number; sha256: string } | { refused: string }
}

/**
 * What was sent, whatever way it was written down: a client that repeats a form writes another boundary, and perhaps
 * other fields that nobody reads.
 */
export function fingerprintOf(request: {
  method: string
  path: string
  metadata: Metadata
  callbackUrl: string | null
  parts: readonly FingerprintPart[]
}): string {
  const metadata = Object.entries(request.metadata).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify([request.method, request.path, metadata, request.callbackUrl, request.parts]))
    .digest('hex')
}

/** The answer to a key that was used for something else. */
export function keyMismatch(): Refusal {
  return new Refusal(
    'idempotency-mismatch',
    'This Idempotency-Key was used for another request. Use a new key for a new upload.',
  )
}

/** One file for the fingerprint of its request. */
export function fingerprintPart(
  announced: { field: string; declaredType: string | null },
  filename: string,
  content: FingerprintPart['content'],
): FingerprintPart {
  const { field, declaredType } = announced
  const known = 'refused' in content ? content : { size: content.size, sha256: content.sha256 }
  return { field, filename, declaredType, content: known }
}
