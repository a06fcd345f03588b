import { adminToken, allRows, type Call, call, expectStatus, type TestDomain } from './client.ts'

/** Asks for an upload token at the domain's own host, as the administrator unless `options` say otherwise. */
export const askForToken = (domain: TestDomain, limits: object = {}, options: Call = {}) =>
  call('POST', `${domain.origin}/v1/upload-tokens`, {
    key: adminToken,
    body: JSON.stringify(limits),
    ...options,
    headers: { 'content-type': 'application/json', ...options.headers },
  })

/** An upload token of this domain. */
export async function makeToken(domain: TestDomain, limits: object = {}, options: Call = {}): Promise<string> {
  const answer = await askForToken(domain, limits, options)
  expectStatus(answer, 201)
  return answer.json.token
}

/** Asks for a download link, as the administrator unless `options` say otherwise. */
export const askForLink = (domain: TestDomain, id: string, wanted: object = {}, options: Call = {}) =>
  call('POST', `${domain.origin}/v1/uploads/${id}/links`, {
    key: adminToken,
    body: JSON.stringify(wanted),
    ...options,
    headers: { 'content-type': 'application/json', ...options.headers },
  })

/** The address of a download link. */
export async function makeLink(domain: TestDomain, id: string, wanted: object = {}): Promise<string> {
  const answer = await askForLink(domain, id, wanted)
  expectStatus(answer, 201)
  return answer.json.url
}

/** What a token says, without asking whether it is true. */
export const claimsOf = (token: string) =>
  JSON.parse(atob(token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/')))

/** How many uses of each of a domain's tokens are taken. */
export async function usesTaken(domain: { id: string }): Promise<number[]> {
  const rows = await allRows<{ used: number }>('SELECT used FROM token_uses WHERE domain_id = ?', domain.id)
  return rows.map(({ used }) => used)
}
