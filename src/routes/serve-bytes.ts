import { create as contentDisposition } from 'content-disposition'
import type { AppContext } from '../context.ts'
import { parseRange, type RangeAnswer } from '../core/byte-range.ts'
import { reprDigest } from '../core/digest.ts'
import { Refusal } from '../core/errors.ts'
import { isSafeInline, servedType } from '../core/media-type.ts'

/** How `/openapi.json` describes an answer that is bytes. */
export const bytesContent = {
  'application/octet-stream': {
    schema: { type: 'string', contentMediaType: 'application/octet-stream' },
  },
} as const

/** Bytes that may be served to whoever asked for them. */
export interface ServedBytes {
  /** Hexadecimal; the entity tag. */
  sha256: string
  /** Bytes. */
  size: number
  type: string
  charset: 'utf-8' | null
  filename: string
  publicRead: boolean
  /** Opens all of them, or a range that lies inside. */
  open(range: Exclude<RangeAnswer, { kind: 'unsatisfiable' }>): Promise<ReadableStream<Uint8Array>>
}

/**
 * Answers `GET` and `HEAD` with bytes, or with what the request's conditions and range ask for instead. Throws
 * `precondition-failed` and `range-not-satisfiable`.
 */
export async function serveBytes(c: AppContext, served: ServedBytes): Promise<Response> {
  const { size } = served
  const etag = `"${served.sha256}"`
  if (c.req.header('if-match') !== undefined && !namesTag(c.req.header('if-match'), etag, 'strong')) {
    throw new Refusal('precondition-failed', 'The content is not the one that If-Match names.')
  }
  const headers = bytesHeaders(c, served, etag)
  if (namesTag(c.req.header('if-none-match'), etag, 'weak')) return c.body(null, 304, headers)
  const whole = { ...headers, 'Content-Length': String(size) }
  if (c.req.method === 'HEAD') return c.body(null, 200, whole)
  const range = parseRange(rangeHeader(c, etag), size)
  if (range.kind === 'unsatisfiable') {
    c.header('Content-Range', `bytes */${size}`)
    throw new Refusal('range-not-satisfiable', `The range lies outside of the file's ${size} bytes.`, {
      facts: { size },
    })
  }
  const body = await served.open(range)
  if (range.kind === 'whole') return c.body(body, 200, whole)
  return c.body(body, 206, {
    ...headers,
    'Content-Length': String(range.length),
    'Content-Range': `bytes ${range.offset}-${range.offset + range.length - 1}/${size}`,
  })
}

/**
 * The headers under which a stranger's bytes may be served from a host that has users: never sniffed, never run, and
 * shown in place only when their type can't run anything.
 */
function bytesHeaders(
  c: AppContext,
  { type, charset, filename, publicRead, sha256 }: ServedBytes,
  etag: string,
): Record<string, string> {
  const { credential } = c.var
  const byToken = credential.kind === 'read-token' || credential.kind === 'processor'
  const isForDownload = credential.kind === 'read-token' && (credential.link?.filename ?? null) !== null
  const isPublic = publicRead && !byToken
  return {
    // A charset that is not known is better not named: a browser then looks for itself.
    'Content-Type': type === 'text/plain' && charset ? `text/plain; charset=${charset}` : servedType(type),
    'Content-Disposition': contentDisposition(filename, {
      type: !isForDownload && isSafeInline(type) ? 'inline' : 'attachment',
    }),
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    'X-Content-Type-Options': 'nosniff',
    // Who has an address with a token in it was given it; nothing of a browser's own opens the content to other sites.
    'Cross-Origin-Resource-Policy': publicRead || byToken ? 'cross-origin' : 'same-site',
    'Accept-Ranges': 'bytes',
    ETag: etag,
    'Repr-Digest': reprDigest(sha256),
    // The bytes behind a tag never change, but they may be deleted or made anew: a cache asks again each time. Compressed
    // on the way, they would lose their length and their strong tag, and a broken download could not be resumed.
    'Cache-Control': `${isPublic ? 'public' : 'private'}, no-cache, no-transform`,
  }
}

/** A range counts only for the content that the client has begun to fetch (RFC 9110 §13.1.5). */
function rangeHeader(c: AppContext, etag: string): string | undefined {
  const condition = c.req.header('if-range')
  return condition === undefined || condition === etag ? c.req.header('range') : undefined
}

/** Whether a list of entity tags names this one. A weak tag does so only where weak comparison will do (§8.8.3.2). */
function namesTag(list: string | undefined, etag: string, comparison: 'strong' | 'weak'): boolean {
  const tags = (list ?? '').split(',').map((tag) => tag.trim())
  return tags.some((tag) => tag === '*' || (comparison === 'weak' ? tag.replace(/^W\//, '') : tag) === etag)
}
