import type { Credential } from './access.ts'
import { networkOf } from './client-address.ts'
import type { Domain } from './domain.ts'

/** Every rate is a number of requests in this time. */
export const rateWindowSeconds = 60
const windowMs = rateWindowSeconds * 1000

/** One count of requests, and how many there may be in `rateWindowSeconds`. */
export interface RateBucket {
  /** What the limit is called in answers: a token of lower-case letters and hyphens. */
  readonly policy: string
  /** Which count it is, among those of a domain. */
  readonly key: string
  readonly limit: number
}

/** A bucket as a request has left it. */
export interface BucketState {
  readonly bucket: RateBucket
  /** How many more requests would pass now. */
  readonly remaining: number
  /**
   * In how many milliseconds there is room again. For a bucket that has refused, a request after that time passes if
   * nobody else has come first; for one that has not, its window ends then.
   */
  readonly resetMs: number
}

/** What a limiter says of one request. */
export interface RateVerdict {
  /** The buckets that were looked at, in the order asked. */
  readonly states: readonly BucketState[]
  /** The one that is full; null when the request may go on, and was counted in each. */
  readonly refusedBy: BucketState | null
}

/** What a request is counted as: it sends or changes something, or it only reads. */
export type RequestKind = 'uploads' | 'reads'

export function requestKind(method: string): RequestKind {
  return method === 'GET' || method === 'HEAD' ? 'reads' : 'uploads'
}

/**
 * The buckets that a request is counted in, the client's own before the domain's; none where the policy sets no limit.
 * A client that the domain would turn away in any case is not counted: strangers must not use up what its own have.
 */
export function bucketsFor(
  request: { kind: RequestKind; credential: Credential; address: string | undefined },
  { id, policy }: Domain,
): RateBucket[] {
  const { kind, credential, address } = request
  const [all, each] =
    kind === 'uploads'
      ? [policy.uploadsPerMinute, policy.uploadsPerMinutePerClient]
      : [policy.readsPerMinute, policy.readsPerMinutePerClient]
  if (all === null && each === null) return []
  if (credential.kind === 'administrator') return []
  const isOpen = kind === 'uploads' ? policy.anonymousUpload : policy.publicRead
  if (!isOpen && !mayDoSome(credential, kind)) return []
  if ('domainId' in credential && credential.domainId !== id) return []
  const buckets: RateBucket[] = []
  if (each !== null) {
    const client = clientOf(credential, address)
    buckets.push({ policy: `${kind}-per-client`, key: `${kind}:${client}`, limit: each })
  }
  if (all !== null) buckets.push({ policy: kind, key: kind, limit: all })
  return buckets
}

/** Whether there is anything of this kind that a credential of the domain may do. */
function mayDoSome(credential: Credential, kind: RequestKind): boolean {
  switch (credential.kind) {
    case 'administrator':
    case 'processor':
      return true
    case 'anonymous':
      return false
    case 'upload-token':
      return kind === 'uploads'
    case 'read-token':
      return kind === 'reads'
    case 'key':
      return credential.scopes.some((scope) => (scope === 'read') === (kind === 'reads') && scope !== 'manage')
  }
}

/**
 * Who a request is counted for. A token is handed out to somebody without a name, and any number of them can be made: its
 * holder is told from others by his address, as one without a token is.
 */
export function clientOf(
  credential: Exclude<Credential, { kind: 'administrator' }>,
  address: string | undefined,
): string {
  return credential.kind === 'key' ? `key:${credential.keyId}` : `address:${networkOf(address) ?? 'unknown'}`
}

/** How often a bucket was taken from in the window that runs, and in the one before. */
export interface WindowCounts {
  readonly current: number
  readonly previous: number
}

/** The number of the window that `now` (milliseconds since 1970) lies in. */
export function rateWindowAt(now: number): number {
  return Math.floor(now / windowMs)
}

/**
 * Judges one more request by a sliding window: what runs counts in full, and what went before by the part of it that is
 * younger than a whole window. `@upstash/ratelimit` reckons the same.
 */
export function judgeRate(bucket: RateBucket, counts: WindowCounts, now: number): BucketState & { isFull: boolean } {
  const sinceStart = now % windowMs
  const used = counts.current + Math.floor((1 - sinceStart / windowMs) * counts.previous)
  const left = bucket.limit - used
  if (left > 0) return { bucket, remaining: left - 1, resetMs: windowMs - sinceStart, isFull: false }
  return { bucket, remaining: 0, resetMs: freeAfter(bucket.limit, counts) - sinceStart, isFull: true }
}

/** How long after the start of its window a full bucket has room: when enough of what went before has aged. */
function freeAfter(limit: number, { current, previous }: WindowCounts): number {
  if (current >= limit) return windowMs + freeAfter(limit, { current: 0, previous: current })
  return Math.floor(windowMs * (1 - (limit - current) / previous)) + 1
}
