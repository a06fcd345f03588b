/** Ratios of pairs that were measured one right after the other: what disturbs both alike cancels out. */
export interface Ratio {
  median: number
  lowest: number
  highest: number
  pairs: number
}

export function ratioOf(ours: readonly number[], other: readonly number[]): Ratio {
  const ratios = ours.map((value, index) => value / (other[index] as number)).sort((a, b) => a - b)
  return {
    median: median(ratios),
    lowest: ratios[0] as number,
    highest: ratios.at(-1) as number,
    pairs: ratios.length,
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2
}
