/** The largest age, in milliseconds, at which an upload's id may still be committed. Older objects are up for removal. */
export const commitWindowMs = 12 * 3600 * 1000

/**
 * The key of a file's bytes: ordered by time over the whole bucket (the id is a UUIDv7), with no client text in it, and
 * written once: R2 takes one write a second per key (error 10058), and a key that is never rewritten can't be raced.
 */
export function objectKey(uploadId: string, domainId: string): string {
  return `${uploadId}/${domainId}`
}

/** The time in a UUIDv7, in milliseconds since 1970 (RFC 9562 §5.7: its first 48 bits). */
export function timeOfId(uuidV7: string): number {
  return Number.parseInt(uuidV7.slice(0, 8) + uuidV7.slice(9, 13), 16)
}
