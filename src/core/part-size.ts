const mebibyte = 1024 * 1024

/** R2 takes at most this many parts an upload, all of one size but the last, none but the last under 5 MiB. */
export const maxParts = 10_000
export const minPartBytes = 5 * mebibyte
export const maxPartBytes = 16 * mebibyte

/** The largest file that Stevedore can store: 156.25 GiB. */
export const maxStorableBytes = maxParts * maxPartBytes

/**
 * The part size for an upload, fixed at its start because R2 refuses parts of unequal size: 5 MiB, or as much as makes
 * `expectedBytes` fit into 10,000 parts, in steps of 1 MiB up to 16. Larger parts are fewer calls to R2, and gained 1 to
 * 2 % of time; an upload holds up to three of them.
 */
export function partBytesFor(expectedBytes: number): number {
  const needed = Math.ceil(expectedBytes / maxParts / mebibyte) * mebibyte
  return Math.min(Math.max(needed, minPartBytes), maxPartBytes)
}
