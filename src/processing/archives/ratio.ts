/** Rounded to thousandths. Out of nothing comes nothing; what says otherwise counts as out of one byte. */
export function ratioOf(unpackedBytes: number, packedBytes: number): number {
  return Math.round((unpackedBytes / Math.max(packedBytes, 1)) * 1000) / 1000
}
