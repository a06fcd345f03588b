import type { ApiKey } from '../../cli/api.ts'
import { type Client, segment } from '../../cli/client.ts'
import { Refused } from '../../cli/errors.ts'
import type { PrivateNotes } from './private-notes.ts'

const keyLabel = 'first key'
const keyScopes = ['upload', 'read', 'delete']

/**
 * Makes the domain unless there is one of the slug; says whether it was made. That it is to have a key is written down
 * before: only a domain that this setup has made gets one, and the run after one that was cut off still knows.
 */
export async function ensureDomain(administrator: Client, slug: string, notes: PrivateNotes): Promise<boolean> {
  try {
    await administrator.json('GET', `/v1/domains/${segment(slug)}`)
    return false
  } catch (error) {
    if (!(error instanceof Refused && error.problem.code === 'domain-not-found')) throw error
  }
  await notes.change({ dueKeys: [...othersDue(notes, slug), { domain: slug }] })
  await administrator.json('POST', '/v1/domains', { json: { slug } })
  return true
}

/**
 * The domain's first key, where it is due: the one that an earlier run has made and shown to nobody, else a new one.
 * Where that run ended before it could write the key down, nobody knows it: it is revoked, so that there is one all the
 * same. Undefined where the domain was there before, or its key was shown already.
 */
export async function ensureFirstKey(
  administrator: Client,
  slug: string,
  notes: PrivateNotes,
): Promise<string | undefined> {
  const due = notes.now.dueKeys.find(({ domain }) => domain === slug)
  if (!due || due.key !== undefined) return due?.key
  const path = `/v1/domains/${segment(slug)}/keys`
  const { keys } = await administrator.json<{ keys: ApiKey[] }>('GET', path, { query: { limit: 100 } })
  for (const { id } of keys.filter(({ label }) => label === keyLabel)) {
    await administrator.json('DELETE', `${path}/${segment(id)}`)
  }
  const { key } = await administrator.json<{ key: string }>('POST', path, {
    json: { label: keyLabel, scopes: keyScopes },
  })
  await notes.change({ dueKeys: [...othersDue(notes, slug), { domain: slug, key }] })
  return key
}

/** Forgets the domain's first key, once it was shown. */
export async function forgetFirstKey(slug: string, notes: PrivateNotes): Promise<void> {
  await notes.change({ dueKeys: othersDue(notes, slug) })
}

const othersDue = ({ now }: PrivateNotes, slug: string) => now.dueKeys.filter(({ domain }) => domain !== slug)
