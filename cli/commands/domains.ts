import type { Command } from 'commander'
import type { Domain } from '../api.ts'
import { asciiHostname, segment } from '../client.ts'
import { readAllPages } from '../pages.ts'
import { nothingToSet, policyOf } from '../policy/options.ts'
import type { Act } from '../session.ts'
import { renderDomain, renderDomains } from './domain-text.ts'

const collect = (value: string, before: string[] = []) => [...before, value]

const help = `
Words like maxFileBytes=10MB set fields of the policy. Sizes take kB, MB, GB, KiB, MiB and so on; lists are written with
commas; null takes a limit away; what has an inner structure is JSON. "stevedore domains set SLUG" alone lists the fields.

Examples:
  $ stevedore domains create acme maxFileBytes=10MB 'allowedTypes=image/*,application/pdf'
  $ stevedore domains set acme quotaBytes=50GiB retentionDays=30 publicRead=true
  $ stevedore domains set acme --policy policy.json
  $ stevedore domains list --deleted`

/** `domains …`: the administration of domains. */
export function addDomains(program: Command, act: Act): void {
  const domains = program.command('domains').description('make, change and remove domains').addHelpText('after', help)
  addCreate(domains, act)
  addReading(domains, act)
  addSet(domains, act)
  addSwitch(domains, act, { name: 'suspend', suspended: true, does: 'let a domain take no uploads; reading goes on' })
  addSwitch(domains, act, { name: 'resume', suspended: false, does: 'let a suspended domain take uploads again' })
  addRemoval(domains, act)
}

interface CreateOptions {
  hostname?: string[]
  jurisdiction?: string
  policy?: string
}

function addCreate(domains: Command, act: Act): void {
  domains
    .command('create <slug> [field=value...]')
    .description('make a domain')
    .option('--hostname <hostname>', 'a hostname of its own; may be repeated', collect)
    .option('--jurisdiction <name>', 'where its files are kept, such as eu')
    .option('--policy <file>', 'the policy, as a file of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ stevedore domains create acme maxFileBytes=10MB --hostname files.acme.example',
    )
    .action(
      act(async ({ client, out }, options: CreateOptions, slug: string, words: string[]) => {
        const policy = await policyOf(client, words, options.policy)
        const { hostname: hostnames, jurisdiction } = options
        const json = {
          slug,
          ...(hostnames && { hostnames: hostnames.map(asciiHostname) }),
          ...(policy && { policy }),
          ...(jurisdiction && { jurisdiction }),
        }
        const domain = await client.json<Domain>('POST', '/v1/domains', { json })
        out.result(domain, renderDomain(domain))
        if (!out.json) out.note(`Make a key for it: stevedore keys create --domain ${slug} --scopes upload,read`)
      }),
    )
}

function addReading(domains: Command, act: Act): void {
  domains
    .command('list')
    .description('list all domains')
    .option('--deleted', 'the deleted ones that can still be restored')
    .addHelpText('after', "\nExample:\n  $ stevedore domains list --json | jq -r '.domains[].slug'")
    .action(
      act(async ({ client, out }, { deleted }: { deleted?: boolean }) => {
        const all = await readAllPages<'domains', Domain>(client, '/v1/domains', 'domains', { deleted })
        out.result(all, renderDomains(all.domains, out.width))
      }),
    )
  domains
    .command('show <slug>')
    .description('show a domain with its policy and its hostnames')
    .addHelpText('after', '\nExample:\n  $ stevedore domains show acme')
    .action(
      act(async ({ client, out }, _options: object, slug: string) => {
        const domain = await client.json<Domain>('GET', `/v1/domains/${segment(slug)}`)
        out.result(domain, renderDomain(domain))
      }),
    )
}

function addSet(domains: Command, act: Act): void {
  domains
    .command('set <slug> [field=value...]')
    .description('change fields of a domain’s policy; the others stay')
    .option('--policy <file>', 'the fields, as a file of JSON')
    .addHelpText('after', help)
    .action(
      act(async ({ client, out }, options: { policy?: string }, slug: string, words: string[]) => {
        const policy = await policyOf(client, words, options.policy)
        if (!policy) throw await nothingToSet(client)
        const domain = await client.json<Domain>('PATCH', `/v1/domains/${segment(slug)}`, { json: { policy } })
        out.result(domain, renderDomain(domain))
      }),
    )
}

function addSwitch(
  domains: Command,
  act: Act,
  { name, suspended, does }: { name: string; suspended: boolean; does: string },
): void {
  domains
    .command(`${name} <slug>`)
    .description(does)
    .addHelpText('after', `\nExample:\n  $ stevedore domains ${name} acme`)
    .action(
      act(async ({ client, out }, _options: object, slug: string) => {
        const domain = await client.json<Domain>('PATCH', `/v1/domains/${segment(slug)}`, { json: { suspended } })
        out.result(domain, suspended ? `${slug} is suspended.` : `${slug} takes uploads again.`)
      }),
    )
}

function addRemoval(domains: Command, act: Act): void {
  domains
    .command('delete <slug>')
    .description('close a domain at once; its files go after a grace time')
    .addHelpText('after', '\nExample:\n  $ stevedore domains delete acme')
    .action(
      act(async ({ client, out }, _options: object, slug: string) => {
        const domain = await client.json<Domain | undefined>('DELETE', `/v1/domains/${segment(slug)}`)
        out.result(domain ?? { slug, deleted: true }, `${slug} is deleted.`)
        if (!out.json) out.note(`Within the grace time it can be taken back: stevedore domains restore ${slug}`)
      }),
    )
  domains
    .command('restore <slug>')
    .description('take a deleted domain back, within the grace time')
    .addHelpText('after', '\nExample:\n  $ stevedore domains restore acme')
    .action(
      act(async ({ client, out }, _options: object, slug: string) => {
        const domain = await client.json<Domain | undefined>('POST', `/v1/domains/${segment(slug)}/restore`)
        out.result(domain ?? { slug, restored: true }, `${slug} is back.`)
      }),
    )
}
