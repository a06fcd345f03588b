import { Buffer } from 'node:buffer'
import { type Answer, type Call, call, expectStatus, type TestDomain } from './client.ts'

/** What every request of tus 1.0 has. */
export const tusResumable = { 'tus-resumable': '1.0.0' }
const offsetStream = { ...tusResumable, 'content-type': 'application/offset+octet-stream' }

/** One request with the headers that tus wants. */
export const tusCall = (method: string, url: string, { headers = {}, ...options }: Call = {}) =>
  call(method, url, { ...options, headers: { ...tusResumable, ...headers } })

/** `Upload-Metadata` of these pairs. */
export const uploadMetadata = (pairs: Record<string, string>) =>
  Object.entries(pairs)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
    .join(',')

/** Creates an upload, and gives back the answer. `length` null defers it. */
export const create = (to: string, length: number | null, { headers = {}, body, ...options }: Call = {}) =>
  call('POST', `${to}/v1/tus`, {
    ...options,
    ...(body === undefined ? {} : { body }),
    headers: {
      ...(body === undefined ? tusResumable : offsetStream),
      ...(length === null ? { 'upload-defer-length': '1' } : { 'upload-length': String(length) }),
      ...headers,
    },
  })

/** Creates an upload, and gives back its address. */
export async function created(domain: TestDomain, length: number | null, options: Call = {}): Promise<string> {
  const answer = await create(domain.origin, length, options)
  expectStatus(answer, 201)
  return answer.headers.get('location') as string
}

/** Sends the bytes at this offset. */
export const patch = (url: string, offset: number, body: Call['body'], { headers = {}, ...options }: Call = {}) =>
  call('PATCH', url, {
    ...options,
    ...(body === undefined ? {} : { body }),
    headers: { ...offsetStream, 'upload-offset': String(offset), ...headers },
  })

export const head = (url: string, options: Call = {}) => tusCall('HEAD', url, options)

/** The offset that an answer names. */
export const offsetOf = (answer: Answer) => Number(answer.headers.get('upload-offset'))

export const idOf = (url: string) => new URL(url).pathname.split('/').at(-1) as string
