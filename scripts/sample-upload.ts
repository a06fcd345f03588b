import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { Failure } from './failure.ts'
import { callLocal, describeAnswer, type HttpAnswer, type HttpCall, jsonOf } from './http-client.ts'

const uploadShape = z.looseObject({
  id: z.string(),
  type: z.string().nullable(),
  size: z.number().nullable(),
  sha256: z.string().nullable(),
  status: z.string(),
  failure: z.object({ code: z.string(), detail: z.string() }).nullable(),
  links: z.looseObject({ self: z.string(), content: z.string() }),
})

const statusShape = z.looseObject({ status: z.string() })

/** An uploaded file as the server describes it. */
export type Upload = z.infer<typeof uploadShape>

/** A file on this disk, with what the server must say of it. */
export interface Sample {
  name: string
  bytes: Buffer
  sha256: string
  type: string
}

/** Reads a sample file; `type` is the media type that its bytes have. */
export async function readSample(path: string, type: string): Promise<Sample> {
  const bytes = await readFile(path)
  return { name: basename(path), bytes, sha256: createHash('sha256').update(bytes).digest('hex'), type }
}

const finalStatuses = new Set(['complete', 'failed', 'quarantined'])
const chunkBytes = 16 * 1024
const pollMilliseconds = 50

/** A request that uploads one sample. */
export interface UploadRequest {
  method: 'POST' | 'PUT'
  path: string
  contentType: string
  body: Buffer[]
  /** Bytes of the whole body, the form's own lines included. */
  length: number
}

/** The sample as the whole body of a `PUT`. */
export function asRawBody({ name, type, bytes }: Sample): UploadRequest {
  const path = `/v1/uploads/${encodeURIComponent(name)}`
  return { method: 'PUT', path, contentType: type, body: [bytes], length: bytes.byteLength }
}

/** The sample as the only file of a `multipart/form-data` form (RFC 7578). */
export function asForm({ name, type, bytes, sha256 }: Sample): UploadRequest {
  const boundary = `stevedore-${sha256.slice(0, 32)}`
  const disposition = `Content-Disposition: form-data; name="file"; filename="${name}"`
  const head = `--${boundary}\r\n${disposition}\r\nContent-Type: ${type}\r\n\r\n`
  const body = [Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]
  const length = body.reduce((sum, part) => sum + part.byteLength, 0)
  return { method: 'POST', path: '/v1/uploads', contentType: `multipart/form-data; boundary=${boundary}`, body, length }
}

/** Sends an upload to a domain's URL and gives it as accepted. Throws a `Failure` for any answer but 202. */
export async function sendUpload(
  domainUrl: URL,
  { method, path, contentType, body, length }: UploadRequest,
  call: Pick<HttpCall, 'onSent' | 'signal'>,
): Promise<Upload> {
  const url = new URL(path, domainUrl)
  const headers = { 'content-type': contentType, 'content-length': String(length) }
  const answer = await callLocal(url, { method, headers, body: inChunks(body), ...call })
  if (answer.status !== 202) throw new Failure(`${method} ${path} was not accepted: ${describeAnswer(answer)}`)
  const { upload, results } = Object(jsonOf(answer))
  return parseAs(uploadShape, results?.[0]?.upload ?? upload ?? jsonOf(answer), answer)
}

function* inChunks(parts: Buffer[]): Generator<Buffer> {
  for (const part of parts) {
    for (let at = 0; at < part.byteLength; at += chunkBytes) yield part.subarray(at, at + chunkBytes)
  }
}

/** Asks for the upload's status until it is final, and gives the statuses in the order seen. */
export async function followStatus(domainUrl: URL, upload: Upload, signal: AbortSignal): Promise<string[]> {
  const seen = [upload.status]
  for (;;) {
    const answer = await callLocal(new URL(`/v1/uploads/${upload.id}/status`, domainUrl), { signal })
    if (answer.status !== 200) throw new Failure(`The status of ${upload.id} is unknown: ${describeAnswer(answer)}`)
    const { status } = parseAs(statusShape, jsonOf(answer), answer)
    if (status !== seen.at(-1)) seen.push(status)
    if (finalStatuses.has(status)) return seen
    await sleep(pollMilliseconds)
  }
}

/** The upload's whole resource. */
export async function getUpload(domainUrl: URL, id: string, signal: AbortSignal): Promise<Upload> {
  const answer = await callLocal(new URL(`/v1/uploads/${id}`, domainUrl), { signal })
  if (answer.status !== 200) throw new Failure(`The upload ${id} cannot be read: ${describeAnswer(answer)}`)
  return parseAs(uploadShape, jsonOf(answer), answer)
}

/** What of the upload differs from the sample, its downloaded bytes included; nothing when all is as it should be. */
export async function findDifferences(
  domainUrl: URL,
  sample: Sample,
  upload: Upload,
  signal: AbortSignal,
): Promise<string[]> {
  if (upload.status !== 'complete') {
    const { code, detail } = upload.failure ?? { code: 'no failure code', detail: 'no detail' }
    return [`it ended ${upload.status} (${code}: ${detail})`]
  }
  const differences = []
  if (upload.type !== sample.type) differences.push(`its type is ${upload.type}, not ${sample.type}`)
  if (upload.size !== sample.bytes.length) differences.push(`its size is ${upload.size}, not ${sample.bytes.length}`)
  if (upload.sha256 !== sample.sha256) differences.push(`its SHA-256 is ${upload.sha256}, not ${sample.sha256}`)
  const content = await callLocal(contentUrl(domainUrl, upload), { signal })
  if (content.status !== 200) differences.push(`its content cannot be read (${describeAnswer(content)})`)
  else if (!content.body.equals(sample.bytes)) differences.push('the bytes read back are not those that were sent')
  return differences
}

/** Where the upload's bytes are. */
export const contentUrl = (domainUrl: URL, upload: Upload) => new URL(upload.links.content, domainUrl)

function parseAs<T>(shape: z.ZodType<T>, value: unknown, answer: HttpAnswer): T {
  const parsed = shape.safeParse(value)
  if (parsed.success) return parsed.data
  throw new Failure(`The server's answer has not the expected shape: ${z.prettifyError(parsed.error)}
${answer.body.toString('utf8').slice(0, 500)}`)
}
