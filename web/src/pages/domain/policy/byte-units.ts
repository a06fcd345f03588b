/** Limits are set by powers of two, as the defaults are. */
export const byteUnits = [
  { label: 'bytes', bytes: 1 },
  { label: 'KiB', bytes: 1024 },
  { label: 'MiB', bytes: 1024 ** 2 },
  { label: 'GiB', bytes: 1024 ** 3 },
] as const

/** The largest unit that a number of bytes is a whole number of. */
export function unitFor(bytes: number): (typeof byteUnits)[number] {
  return byteUnits.findLast((unit) => bytes > 0 && bytes % unit.bytes === 0) ?? byteUnits[0]
}

/** `1073741824` is "1 GiB". */
export function formatBinary(bytes: number): string {
  const { label, bytes: size } = unitFor(bytes)
  return `${(bytes / size).toLocaleString()} ${label}`
}
