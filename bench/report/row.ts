import { median, type Ratio, ratioOf } from './ratio.ts'

/** One line of the table. */
export interface Row {
  measure: string
  ours: string
  /** What it is held against, with its own figure; empty where the target is absolute. */
  other: string
  ratio: Ratio | null
  target: string
  /** Null where nothing was demanded: the line is there to explain another. */
  met: boolean | null
}

/** A target for a ratio: `at most` or `at least` so much, or none. */
export type Target = { atMost: number } | { atLeast: number } | null

/** A row that holds two series of measured values against each other, pair by pair. */
export function comparison(
  measure: string,
  {
    ours,
    other,
    format,
    against,
    target,
  }: {
    ours: readonly number[]
    other: readonly number[]
    format(value: number): string
    /** The name of the other. */
    against: string
    target: Target
  },
): Row {
  const ratio = ratioOf(ours, other)
  return {
    measure,
    ours: format(median(ours)),
    other: `${format(median(other))} ${against}`,
    ratio,
    target:
      target === null ? '' : 'atMost' in target ? `≤ ${target.atMost.toFixed(2)}` : `≥ ${target.atLeast.toFixed(2)}`,
    met: target === null ? null : 'atMost' in target ? ratio.median <= target.atMost : ratio.median >= target.atLeast,
  }
}

export const seconds = (value: number) => `${value.toFixed(2)} s`
export const milliseconds = (value: number) => `${value.toFixed(2)} ms`
export const mebibytes = (bytes: number) => `${(bytes / 1024 ** 2).toFixed(0)} MiB`
export const perSecond = (value: number) => `${value.toFixed(0)}/s`
