import type { Command } from 'commander'
import type { ApiKey } from '../api.ts'
import { segment } from '../client.ts'
import { readAllPages } from '../pages.ts'
import { type Act, requireDomain } from '../session.ts'
import { renderTable } from '../table.ts'
import { parseList, parseMoment, printable } from '../text.ts'

interface KeyOptions {
  scopes: string
  label?: string
  expires?: string
}

const pathOf = (slug: string) => `/v1/domains/${segment(slug)}/keys`

/** `keys …`: the API keys of a domain. */
export function addKeys(program: Command, act: Act): void {
  const keys = program
    .command('keys')
    .description('API keys of the domain')
    .addHelpText('after', '\nExample:\n  $ stevedore keys create --domain acme --scopes upload,read --label ci')
  keys
    .command('create')
    .description('make a key; it is shown this once')
    .requiredOption('--scopes <scopes>', 'what it may do: upload, read, delete, manage; with commas')
    .option('--label <text>', 'what it is for')
    .option('--expires <time>', 'when it ends: 2027-01-31, or 90d for 90 days from now; by default never')
    .addHelpText('after', '\nExample:\n  $ key=$(stevedore keys create --domain acme --scopes upload,read --label ci)')
    .action(
      act(async (session, { scopes, label, expires }: KeyOptions) => {
        const json = {
          scopes: parseList(scopes),
          ...(label !== undefined && { label }),
          ...(expires !== undefined && { expiresAt: parseMoment(expires, '--expires', Date.now(), 'from now') }),
        }
        const { client, out } = session
        const made = await client.json<ApiKey & { key: string }>('POST', pathOf(requireDomain(session)), { json })
        out.result(made, printable(made.key))
        if (!out.json)
          out.note(`The key ${made.id} may ${made.scopes.join(', ')}. Keep it now: it can't be shown again.`)
      }),
    )
  keys
    .command('list')
    .description('list the keys, without their secrets')
    .addHelpText('after', '\nExample:\n  $ stevedore keys list --domain acme')
    .action(
      act(async (session) => {
        const { client, out } = session
        const all = await readAllPages<'keys', ApiKey>(client, pathOf(requireDomain(session)), 'keys')
        out.result(all, renderKeys(all.keys, out.width))
      }),
    )
  keys
    .command('revoke <id>')
    .description('revoke a key, at once')
    .addHelpText('after', '\nExample:\n  $ stevedore keys revoke 01a20416-9f93-7593-baee-ab11b2f9977b --domain acme')
    .action(
      act(async (session, _options: object, id: string) => {
        await session.client.json('DELETE', `${pathOf(requireDomain(session))}/${segment(id)}`)
        session.out.result({ id, revoked: true }, printable(`${id} is revoked.`))
      }),
    )
}

function renderKeys(keys: readonly ApiKey[], width: number): string {
  if (keys.length === 0) return 'No keys.'
  const rows = keys.map(({ id, label, scopes, createdAt, expiresAt, lastUsedAt }) =>
    [id, label, scopes.join(','), createdAt, expiresAt ?? 'never', lastUsedAt ?? 'never'].map(printable),
  )
  return renderTable(['Id', 'Label', 'Scopes', 'Made', 'Ends', 'Last used'], rows, width)
}
