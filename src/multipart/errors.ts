/** What a body broke: first the malformed things, which are the sender's mistakes, then the limits. */
export type MultipartErrorCode =
  | 'not-multipart'
  | 'boundary-missing'
  | 'boundary-invalid'
  | 'truncated'
  | 'delimiter-malformed'
  | 'bare-line-feed'
  | 'header-malformed'
  | 'header-duplicate'
  | 'name-missing'
  | 'transfer-encoding-unsupported'
  | 'charset-unknown'
  | 'too-many-parts'
  | 'too-many-files'
  | 'too-many-headers'
  | 'headers-too-large'
  | 'field-too-large'
  | 'body-too-large'

/** What is known beside the sentence. */
export interface MultipartErrorDetail {
  /** The limit that was passed, in its own unit. Only limits have one, so it tells a 413 from a 400. */
  limit?: number
  /** What the body had instead, where that is known; it may go on beyond it. */
  value?: number
  /** Where in the body, in bytes from its start. */
  offset?: number
}

/** The body or its Content-Type cannot be accepted. Errors of the source itself are never wrapped in one. */
export class MultipartError extends Error {
  override readonly name = 'MultipartError'
  readonly code: MultipartErrorCode
  readonly limit: number | undefined
  readonly value: number | undefined
  readonly offset: number | undefined

  constructor(code: MultipartErrorCode, message: string, detail: MultipartErrorDetail = {}) {
    super(message)
    this.code = code
    this.limit = detail.limit
    this.value = detail.value
    this.offset = detail.offset
  }
}

/** A piece of the client's text, short and with its control characters escaped, fit for a message. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
