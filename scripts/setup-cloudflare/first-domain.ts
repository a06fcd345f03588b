import type { ApiKey } from '../../cli/api.ts'
import { type Client, segment } from '../../cli/client.ts'
import { Refused } from '../../cli/errors.ts'
import type { PrivateNotes } from './private-notes.ts'

const keyLabel = 'first key'
const keyScopes = ['upload', 'read', 'delete']

/** Makes the domain unless there is one of the slug; says whether it was made. */
export async function ensureDomain(administrator: Client, slug: string): Promise<boolean> {
  try {
    await administrator.json('POST', '/v1/domains', { json: { slug } })
    return true
  } catch (error) {
    if (error instanceof Refused && error.problem.code === 'domain-exists') return false
    throw error
  }
}

/**
 * The domain's first key: the one that an earlier run has made and shown to nobody, else a new one. Where that run ended
 * before it could write the key down, nobody knows it: it is revoked, so that there is one all the same.
 */
export async function ensureFirstKey(administrator: Client, slug: string, notes: PrivateNotes): Promise<string> {
  const { firstKey } = notes.now
  if (firstKey !== undefined) return firstKey
  const path = `/v1/domains/${segment(slug)}/keys`
  const { keys } = await administrator.json<{ keys: ApiKey[] }>('GET', path, { query: { limit: 100 } })
  for (const { id } of keys.filter(({ label }) => label === keyLabel)) {
    await administrator.json('DELETE', `${path}/${segment(id)}`)
  }
  const { key } = await administrator.json<{ key: string }>('POST', path, {
    json: { label: keyLabel, scopes: keyScopes },
  })
  await notes.change({ firstKey: key })
  return key
}
