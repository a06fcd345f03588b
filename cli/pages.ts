import type { Call, Client } from './client.ts'

/** One page of a list, under the name that the server gives its items. */
export type Page<Name extends string, Item> = Record<Name, Item[]> & { nextCursor: string | null }

/** Every page of a list as one, from where `query` says on. */
export async function readAllPages<Name extends string, Item>(
  client: Client,
  path: string,
  name: Name,
  query: Call['query'] = {},
): Promise<Page<Name, Item>> {
  const all = await client.json<Page<Name, Item>>('GET', path, { query })
  while (all.nextCursor !== null) {
    const next = await client.json<Page<Name, Item>>('GET', path, { query: { ...query, cursor: all.nextCursor } })
    all[name].push(...next[name])
    all.nextCursor = next.nextCursor
  }
  return all
}
