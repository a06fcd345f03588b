import { formBody, multipartType, noise } from '../../support/e2e/bodies.ts'
import { chunkedBody, field, file } from '../../support/workers/client.ts'
import type { Stage } from '../stage.ts'

const partBytes = 5 * 1024 * 1024
export const small = new TextEncoder().encode('one small box\n')
export const other = new TextEncoder().encode('{"boxes":2}')
/** Two parts, the second of which is short. */
export const large = noise(partBytes + 100)

export const putSmall = (stage: Stage, headers: Record<string, string> = {}) =>
  stage.request('PUT', '/v1/uploads/small.txt', { body: small, headers })

export const putLarge = (stage: Stage, headers: Record<string, string> = {}) =>
  stage.request('PUT', '/v1/uploads/large.bin', {
    // In pieces that are made when they are asked for: a request that is abandoned leaves no memory behind.
    body: chunkedBody(large, 256 * 1024),
    headers: { ...headers, 'content-length': String(large.length) },
  })

const form = formBody([
  field('metadata', '{"invoice":"4711"}'),
  file('small.txt', small),
  file('large.bin', large),
  file('other.json', other),
])
export const postForm = (stage: Stage, headers: Record<string, string> = {}) =>
  stage.request('POST', '/v1/uploads', {
    body: chunkedBody(form, 256 * 1024),
    headers: { ...headers, 'content-type': multipartType },
  })

/** A file of the domain that has come to its end. */
export async function completeFile(stage: Stage): Promise<string> {
  const answer = await putSmall(stage)
  await stage.deliver()
  return answer?.json.id
}
