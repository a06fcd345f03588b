import { type Answer, type Call, call, expectStatus, type TestDomain } from './client.ts'

/** `Upload-Complete: ?1` or `?0`. */
export const complete = (isComplete: boolean) => ({ 'upload-complete': isComplete ? '?1' : '?0' })

/** Begins an upload by the draft, and gives back the answer. Without a body it is a careful creation. */
export const begin = (to: string, isComplete: boolean, { headers = {}, ...options }: Call = {}) =>
  call('POST', `${to}/v1/resumable`, { ...options, headers: { ...complete(isComplete), ...headers } })

/** Begins an upload of which nothing has come yet, and gives back its address. */
export async function begun(domain: TestDomain, length: number | null = null, { headers = {}, ...options }: Call = {}) {
  const known = length === null ? {} : { 'upload-length': String(length) }
  const answer = await begin(domain.origin, false, { ...options, headers: { ...known, ...headers } })
  expectStatus(answer, 201)
  return answer.headers.get('location') as string
}

/** Sends the bytes at this offset; `isLast` says that nothing comes after them. */
export const append = (
  url: string,
  offset: number,
  body: Call['body'],
  isLast: boolean,
  { headers = {}, ...options }: Call = {},
) =>
  call('PATCH', url, {
    ...options,
    ...(body === undefined ? {} : { body }),
    headers: {
      'content-type': 'application/partial-upload',
      'upload-offset': String(offset),
      ...complete(isLast),
      ...headers,
    },
  })

export const retrieve = (url: string, options: Call = {}) => call('HEAD', url, options)

/** The fields of the draft in an answer; null where one is missing. */
export const stateOf = ({ headers }: Answer) => ({
  offset: headers.get('upload-offset') === null ? null : Number(headers.get('upload-offset')),
  complete: headers.get('upload-complete'),
  length: headers.get('upload-length') === null ? null : Number(headers.get('upload-length')),
})
