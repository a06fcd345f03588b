const mebibyte = 1024 * 1024

/** R2 takes at most this many parts an upload, all of one size but the last, none but the last under 5 MiB. */
export const maxParts = 10_000
export const minPartBytes = 5 * mebibyte
export const maxPartBytes = 16 * mebibyte

/** The largest file that Stevedore can store: 156.25 GiB. */
export const maxStorableBytes = maxParts * maxPartBytes

/** From this size on, fewer and larger parts are worth the memory: each part is one call to R2. */
const largeFileBytes = 64 * mebibyte

/**
 * The part size for an upload, fixed at its start because R2 refuses parts of unequal size: as much as makes
 * `expectedBytes` fit into 10,000 parts, and for a large file more, as long as three parts leave a quarter of `freeBytes` to
 * others. In steps of 1 MiB, from 5 to 16.
 */
export function partBytesFor(expectedBytes: number, freeBytes: number): number {
  const needed = Math.ceil(expectedBytes / maxParts / mebibyte) * mebibyte
  const affordable = expectedBytes >= largeFileBytes ? Math.floor(freeBytes / 4 / mebibyte) * mebibyte : 0
  return Math.min(Math.max(needed, affordable, minPartBytes), maxPartBytes)
}
