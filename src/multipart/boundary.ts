import { MultipartError, quoted } from './errors.ts'
import { parseParameters } from './header-parameters.ts'

/**
 * The boundary that a `multipart/form-data` Content-Type names, quoted or not.
 *
 * Throws a MultipartError: `not-multipart` for another type or none, `boundary-missing`, `boundary-invalid`.
 */
export function boundaryOf(contentType: string | null): string {
  if (contentType === null || !/^\s*multipart\/form-data\s*(;|$)/i.test(contentType)) {
    const found = contentType === null ? 'there is no Content-Type' : `the Content-Type is ${quoted(contentType)}`
    throw new MultipartError('not-multipart', `The body must be multipart/form-data, but ${found}`)
  }
  const { parameters } = parseParameters(
    contentType,
    (problem) => new MultipartError('boundary-invalid', `The Content-Type ${quoted(contentType)} ${problem}`),
  )
  const boundary = parameters.get('boundary')
  if (boundary === undefined) {
    throw new MultipartError(
      'boundary-missing',
      'The Content-Type multipart/form-data names no boundary: let the HTTP client write that header itself',
    )
  }
  checkBoundary(boundary)
  return boundary
}

/**
 * Refuses what RFC 2046 §5.1.1 does not allow as a boundary: other than 1 to 70 characters, or a space at the end. All
 * printable ASCII is accepted, not only its `bchars`, for the `*****` that much Android code sends.
 */
export function checkBoundary(boundary: string): void {
  if (/^[\x20-\x7e]{0,69}[\x21-\x7e]$/.test(boundary)) return
  throw new MultipartError(
    'boundary-invalid',
    `The boundary ${quoted(boundary)} must be 1 to 70 printable ASCII characters that do not end with a space`,
    { value: boundary.length },
  )
}
