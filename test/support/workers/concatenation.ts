import { type Call, expectStatus, type TestDomain } from './client.ts'
import { created, patch, tusCall } from './tus.ts'

/** Begins a partial upload of this length, and gives back its address. */
export const begunPartial = (domain: TestDomain, length: number | null, { headers = {}, ...options }: Call = {}) =>
  created(domain, length, { ...options, headers: { 'upload-concat': 'partial', ...headers } })

/** Brings a whole partial upload. */
export async function partial(domain: TestDomain, bytes: Uint8Array | string, options: Call = {}): Promise<string> {
  const url = await begunPartial(domain, bytes.length, options)
  if (bytes.length > 0) expectStatus(await patch(url, 0, bytes, options), 204)
  return url
}

/** Asks for the file that these are joined to. */
export const join = (domain: TestDomain, urls: readonly string[], { headers = {}, ...options }: Call = {}) =>
  tusCall('POST', `${domain.origin}/v1/tus`, {
    ...options,
    headers: { 'upload-concat': `final;${urls.join(' ')}`, ...headers },
  })

/** The address that a creation tells. */
export const locationOf = (answer: { headers: Headers }) => answer.headers.get('location') as string
