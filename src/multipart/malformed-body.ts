import type { Buffer } from 'node:buffer'
import { MultipartError } from './errors.ts'

const [LF, CR] = [0x0a, 0x0d] as const

/** The stages of a body, for the message when it breaks off. */
export type Stage = 'before the first boundary' | 'after a boundary' | 'in the header of' | 'in the body of'

/** The error for a line that ends with LF alone; RFC 2046 §4.1.1 demands CRLF. */
export function bareLineFeed(where: string, offset: number): MultipartError {
  const message = `${where} has a line that ends with LF alone: multipart lines end with CRLF (\\r\\n)`
  return new MultipartError('bare-line-feed', message, { offset })
}

/** The error for header lines that end with LF alone, which would otherwise be taken for one endless line; else undefined. */
export function bareLineFeedIn(header: Buffer, part: number, offset: number): MultipartError | undefined {
  for (let at = header.indexOf(LF); at >= 0; at = header.indexOf(LF, at + 1)) {
    if (header[at - 1] !== CR) return bareLineFeed(`The header of part ${part}`, offset)
  }
  return undefined
}

/** The error for a body that ends before its closing delimiter, after `received` bytes, of which `unread` are the last. */
export function truncated(at: { stage: Stage; part: number; unread: Buffer; received: number }): MultipartError {
  const { stage, part, unread, received } = at
  if (stage === 'in the header of') {
    const error = bareLineFeedIn(unread, part, received)
    if (error) return error
  }
  const where = stage.endsWith(' of') ? `${stage} part ${part}` : stage
  const message = `The body ends ${where}, after ${received} bytes: the closing delimiter "--boundary--" is missing`
  return new MultipartError('truncated', message, { offset: received })
}

/** The error for a boundary that something else follows, before byte `position`. */
export function delimiterMalformed(position: number): MultipartError {
  const message =
    `The boundary before byte ${position} is followed by neither "--" nor a line end. ` +
    'Either the line is malformed, or a part contains its own boundary'
  return new MultipartError('delimiter-malformed', message, { offset: position })
}
