/** Limits are set by powers of two, as the defaults are; so what they are held against is told by them as well. */
export const byteUnits = [
  { label: 'bytes', bytes: 1 },
  { label: 'KiB', bytes: 1024 },
  { label: 'MiB', bytes: 1024 ** 2 },
  { label: 'GiB', bytes: 1024 ** 3 },
] as const

export type ByteUnit = (typeof byteUnits)[number]

/** The largest unit that a number of bytes is a whole number of. */
export function wholeUnitOf(bytes: number): ByteUnit {
  return byteUnits.findLast((unit) => bytes > 0 && bytes % unit.bytes === 0) ?? byteUnits[0]
}

/** `1073741824` is "1 GiB", `15500` is "15.1 KiB". */
export function formatBinary(bytes: number): string {
  const { label, bytes: size } = byteUnits.findLast((unit) => bytes >= unit.bytes) ?? byteUnits[0]
  return `${(bytes / size).toLocaleString(undefined, { maximumFractionDigits: 1 })} ${label}`
}
