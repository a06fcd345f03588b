import { boundary, formBody, multipartType } from './bodies.ts'
import { makeDomain, type TestDomain } from './domains.ts'
import type { LocalWorker } from './local-worker.ts'
import type { DoomedRequest } from './refusal-clients.ts'

const mebibyte = 1024 * 1024
const mediumBytes = 6 * mebibyte

/** Domains that each refuse something. */
export interface RefusingDomains {
  /** Refuses nothing. */
  open: TestDomain
  /** Without a key. */
  closed: TestDomain
  /** Files beyond 1,000 bytes. */
  tiny: TestDomain
  /** Files larger than one part: what is refused has an R2 upload to give up. */
  medium: TestDomain
  /** More than two files. */
  few: TestDomain
  /** What is no image. */
  images: TestDomain
}

export async function makeRefusingDomains(worker: LocalWorker): Promise<RefusingDomains> {
  return {
    open: await makeDomain(worker),
    closed: await makeDomain(worker, { anonymousUpload: false }),
    tiny: await makeDomain(worker, { maxFileBytes: 1000 }),
    medium: await makeDomain(worker, { maxFileBytes: mediumBytes }),
    few: await makeDomain(worker, { maxFilesPerRequest: 2 }),
    images: await makeDomain(worker, { allowedTypes: ['image/*'] }),
  }
}

/** A request and the refusal it gets. */
export interface Refusal {
  title: string
  status: number
  code: string
  /** One of those that are tried with every client, with small and with large bodies. */
  inMatrix?: boolean
  /** Run 50 times in a row with a large body in every run, not only in the full one. */
  always?: boolean
  /** Sent without a Content-Length. */
  chunked?: boolean
  request(
    domains: RefusingDomains,
    content: Buffer,
  ): Pick<DoomedRequest, 'method' | 'target' | 'headers'> & { body: Buffer }
}

const toDomain = (domain: TestDomain) => ({ 'X-Upload-Domain': domain.slug })
const put = (domain: TestDomain, body: Buffer, headers: Record<string, string> = {}) => ({
  method: 'PUT',
  target: '/v1/uploads/refused.bin',
  headers: { 'Content-Type': 'application/octet-stream', ...toDomain(domain), ...headers },
  body,
})
const form = (domain: TestDomain, body: Buffer, headers: Record<string, string> = {}) => ({
  method: 'POST',
  target: '/v1/uploads',
  headers: { 'Content-Type': multipartType, ...toDomain(domain), ...headers },
  body,
})
const formWith = (content: Buffer) => formBody([{ name: 'f', filename: 'refused.bin', content }])

/** Certain before a byte of the body is read. */
const early: Refusal[] = [
  {
    title: '401 without a credential',
    status: 401,
    code: 'credential-required',
    inMatrix: true,
    always: true,
    request: ({ closed }, content) => put(closed, content),
  },
  {
    title: '401 with an unknown credential',
    status: 401,
    code: 'credential-invalid',
    request: ({ open }, content) => put(open, content, { Authorization: 'Bearer nobody' }),
  },
  {
    title: '404 for an unknown domain',
    status: 404,
    code: 'domain-not-found',
    inMatrix: true,
    request: ({ open }, content) => put({ ...open, slug: 'nobody' }, content),
  },
  {
    title: '409 for two domains',
    status: 409,
    code: 'domain-conflict',
    request: ({ open, tiny }, content) => ({
      ...put(open, content),
      target: `/v1/uploads/refused.bin?domain=${tiny.slug}`,
    }),
  },
  {
    title: '413 by Content-Length',
    status: 413,
    code: 'file-too-large',
    inMatrix: true,
    request: ({ tiny }, content) => put(tiny, content),
  },
  {
    title: '415 for what is no form',
    status: 415,
    code: 'content-type-unsupported',
    request: ({ open }, content) => form(open, content, { 'Content-Type': 'text/plain' }),
  },
  {
    title: '405 for another method',
    status: 405,
    code: 'method-not-allowed',
    request: ({ open }, content) => ({ ...put(open, content), target: '/v1/uploads' }),
  },
  {
    title: '404 for no route',
    status: 404,
    code: 'route-not-found',
    request: ({ open }, content) => ({ ...put(open, content), target: '/v2' }),
  },
]

/** Certain only when a part of the body has been read, or all of it. */
const midBody: Refusal[] = [
  {
    title: '413 while a form streams in',
    status: 413,
    code: 'file-too-large',
    inMatrix: true,
    request: ({ tiny, medium }, content) => form(content.length > mediumBytes ? medium : tiny, formWith(content)),
  },
  {
    title: '413 while a chunked body streams in',
    status: 413,
    code: 'file-too-large',
    chunked: true,
    request: ({ tiny }, content) => put(tiny, content),
  },
  {
    title: '415 for a type that the policy does not take',
    status: 415,
    code: 'type-not-allowed',
    inMatrix: true,
    always: true,
    request: ({ images }, content) => put(images, content),
  },
  {
    title: '415 by the first bytes',
    status: 415,
    code: 'type-contradicted',
    request: ({ open }, content) => put(open, content, { 'Content-Type': 'image/png' }),
  },
  {
    title: '413 for too many files',
    status: 413,
    code: 'too-many-files',
    request: ({ few }, content) => {
      const third = content.subarray(0, content.length / 3)
      return form(few, formBody(['a', 'b', 'c'].map((name) => ({ name, filename: name, content: third }))))
    },
  },
  {
    title: '422 for another digest',
    status: 422,
    code: 'digest-mismatch',
    inMatrix: true,
    request: ({ open }, content) =>
      put(open, content, { 'Content-Digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` }),
  },
  {
    title: '400 for a malformed form',
    status: 400,
    code: 'multipart-malformed',
    request: ({ open }, content) =>
      form(
        open,
        Buffer.concat([
          Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n`),
          content.subarray(0, mebibyte),
          Buffer.from(`\r\n--${boundary}\r\nthis is no header\r\n\r\n`),
          content.subarray(mebibyte),
        ]),
      ),
  },
  {
    title: '400 for a file before the domain',
    status: 400,
    code: 'domain-required',
    request: ({ open }, content) => ({
      ...form(open, formWith(content)),
      headers: { 'Content-Type': multipartType },
    }),
  },
]

export const refusals: readonly Refusal[] = [...early, ...midBody]
