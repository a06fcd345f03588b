/** The largest age, in milliseconds, at which an upload's id may still be committed. Older objects are up for removal. */
export const commitWindowMs = 12 * 3600 * 1000

/**
 * The key of a file's bytes: ordered by time over the whole bucket (the id is a UUIDv7), with no client text in it, and
 * written once: R2 takes one write a second per key (error 10058), and a key that is never rewritten can't be raced.
 */
export function objectKey(uploadId: string, domainId: string): string {
  return `${uploadId}/${domainId}`
}

/**
 * The key of a variant of the file with this key. Every lease writes under a key of its own, so that a worker which has
 * lost its lease overwrites nothing.
 */
export function variantKey(
  fileKey: string,
  { generation, leaseNumber }: { generation: number; leaseNumber: number },
  name: string,
): string {
  return `${fileKey}/${generation}.${leaseNumber}/${name}`
}

/** The time in a UUIDv7, in milliseconds since 1970 (RFC 9562 §5.7: its first 48 bits). */
export function timeOfId(uuidV7: string): number {
  return Number.parseInt(uuidV7.slice(0, 8) + uuidV7.slice(9, 13), 16)
}

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const ownKey = new RegExp(`^${uuid}/${uuid}(/[0-9]+\\.[0-9]+/[^/]+)?$`)

/** Whether a key in the bucket was made here. What somebody else keeps in it is none of our business. */
export function isOwnKey(key: string): boolean {
  return ownKey.test(key)
}

/** The age, in milliseconds, from which an object without a row is an orphan: by then no commit can be under way. */
export const orphanAgeMs = 24 * 3600 * 1000

/** What every key made at this time (milliseconds since 1970) or later begins with, or sorts behind. */
export function firstKeyAt(time: number): string {
  const digits = time.toString(16).padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}`
}
