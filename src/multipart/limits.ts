/** What one body may hold. A value equal to a limit is allowed; one more is refused with the code beside it. */
export interface MultipartLimits {
  /** Parts, fields and files together. Default 1,000. `too-many-parts` */
  parts: number
  /** Parts that have a filename, an empty one included. Default 100. `too-many-files` */
  files: number
  /** Bytes of one field that `text()` reads. Default 1 MiB. `field-too-large` */
  fieldBytes: number
  /** Bytes from a part's boundary to its body, line ends and padding included. Default 16 KiB. `headers-too-large` */
  headerBytes: number
  /** Header lines of one part, folded ones counted once. Default 32. `too-many-headers` */
  headersPerPart: number
  /** Bytes of the whole body, preamble and epilogue included. Default 5 GiB. `body-too-large` */
  totalBytes: number
}

/** Finite by default. 5 GiB is the largest request body that Cloudflare accepts on any plan. */
export const defaultLimits: Readonly<MultipartLimits> = {
  parts: 1000,
  files: 100,
  fieldBytes: 1024 * 1024,
  headerBytes: 16 * 1024,
  headersPerPart: 32,
  totalBytes: 5 * 1024 ** 3,
}

/** The defaults with some of them replaced. A RangeError for what is no count, since a NaN would switch a limit off. */
export function limitsFrom(given: Partial<MultipartLimits>): MultipartLimits {
  const limits = { ...defaultLimits }
  for (const key of Object.keys(defaultLimits) as (keyof MultipartLimits)[]) {
    const value = given[key]
    if (value === undefined) continue
    if (!(value >= 0)) throw new RangeError(`The limit ${key} must be a number from 0 up, not ${value}`)
    limits[key] = value
  }
  return limits
}
