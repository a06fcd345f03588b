import { Refusal } from './errors.ts'

/** The answer to two lengths of one upload that can't both be true. */
export function inconsistentLength(length: number, value: number): Refusal {
  const message = `The upload has ${length} bytes by what was said of it, and ${value} by what was said or sent elsewhere.`
  return new Refusal('upload-length-inconsistent', message, { facts: { length, value } })
}
