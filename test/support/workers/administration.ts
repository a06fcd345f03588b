import { type Answer, adminToken, type Call, call, type TestDomain } from './client.ts'

export const apex = 'http://localhost'

/** One call on a domain's administration, at `/v1/domains/<slug><path>`: by the administrator, unless a key is given. */
export function administer(
  domain: Pick<TestDomain, 'slug'>,
  method: string,
  path = '',
  body?: unknown,
  options: Call = {},
): Promise<Answer> {
  return call(method, `${apex}/v1/domains/${domain.slug}${path}`, {
    key: adminToken,
    ...options,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json', ...options.headers }, body: JSON.stringify(body) }),
  })
}
