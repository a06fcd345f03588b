import type { AppContext } from '../context.ts'
import type { Domain } from '../core/domain.ts'

/** Where an upload is found, on the host that it was asked for; `rest` is what of it, as a path. */
export function uploadUrl(c: AppContext, domain: Domain, id: string, rest = ''): string {
  return urlOf(c, domain, `/v1/uploads/${id}${rest}`)
}

/** Where an upload that is not complete is gone on with, by the protocol that it began with. */
export function sessionUrl(c: AppContext, domain: Domain, protocol: 'tus' | 'resumable', id: string): string {
  return urlOf(c, domain, `/v1/${protocol}/${id}`)
}

/** On the apex host an address has to name its domain. */
function urlOf(c: AppContext, domain: Domain, path: string): string {
  const query = c.get('host').kind === 'apex' ? `?domain=${domain.slug}` : ''
  return `${c.get('origin')}${path}${query}`
}
