import { hrefTo } from './router.ts'
import type { Session } from './session.ts'

/** Whether the files' page has anything for this session: it lists them, or takes some. */
export function seesFiles({ scopes }: Session): boolean {
  return scopes.includes('read') || scopes.includes('upload')
}

/** The address where a session begins: the files of its domain, or what else the credential is for. */
export function homeOf(session: Session): string {
  const { domain, kind, scopes } = session
  if (domain === null) return hrefTo(['domains'])
  const isForManaging = kind === 'key' && !seesFiles(session) && scopes.includes('manage')
  return hrefTo([isForManaging ? 'domains' : 'files', domain])
}
