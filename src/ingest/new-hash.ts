import { createHash, type Hash } from 'node:crypto'
import type { DigestAlgorithm } from '../core/digest.ts'

/** A running native hash: on Workers it costs about half of what a DigestStream does. */
export function newHash(algorithm: DigestAlgorithm): Hash {
  return createHash(algorithm.replace('-', ''))
}
