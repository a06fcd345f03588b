import { Buffer } from 'node:buffer'
import { deflateSync, inflateSync } from 'node:zlib'
import { type ErrorCode, Refusal, type RefusalFacts } from '../../core/errors.ts'
import type { UploadedFile } from '../../core/uploaded-file.ts'
import type { FileOutcome } from './reception.ts'

type KeptOutcome =
  | { upload: UploadedFile }
  | { filename: string; refusal: { code: ErrorCode; message: string; facts: RefusalFacts } }

/**
 * What became of the files of a request, as plain JSON for who repeats it. A thousand outcomes would be more than one
 * value of D1's may hold, and say nearly the same: several are compressed.
 */
export function keepOutcomes(outcomes: readonly FileOutcome[]): unknown {
  const kept = outcomes.map(toKept)
  return kept.length > 1 ? deflateSync(JSON.stringify(kept)).toString('base64') : kept
}

/** What `keepOutcomes` has made, read back. */
export function readOutcomes(kept: unknown): FileOutcome[] {
  const json = typeof kept === 'string' ? JSON.parse(inflateSync(Buffer.from(kept, 'base64')).toString()) : kept
  return (json as KeptOutcome[]).map(fromKept)
}

function toKept(outcome: FileOutcome): KeptOutcome {
  if ('upload' in outcome) return outcome
  const { code, message, facts } = outcome.refusal
  return { filename: outcome.filename, refusal: { code, message, facts } }
}

function fromKept(kept: KeptOutcome): FileOutcome {
  if ('upload' in kept) return kept
  const { code, message, facts } = kept.refusal
  return { filename: kept.filename, refusal: new Refusal(code, message, { facts }) }
}
