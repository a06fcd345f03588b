export const mebibyte = 1024 * 1024

/** The size of a part, unless a file is so large that it needs larger ones. */
export const partBytes = 5 * mebibyte
