import type { Command } from 'commander'
import type { Hostname } from '../api.ts'
import { asciiHostname, segment } from '../client.ts'
import { type Act, requireDomain } from '../session.ts'
import { printable } from '../text.ts'
import { describeRecord } from './domain-text.ts'

/** `hostnames …`: the hostnames of a domain. */
export function addHostnames(program: Command, act: Act): void {
  const hostnames = program
    .command('hostnames')
    .description('hostnames of the domain’s own')
    .addHelpText('after', '\nExample:\n  $ stevedore hostnames add files.acme.example --domain acme')
  const path = (slug: string, hostname: string) =>
    `/v1/domains/${segment(slug)}/hostnames/${segment(asciiHostname(hostname))}`

  hostnames
    .command('add <hostname>')
    .description('add a hostname; it is served once its TXT record is found, or the administrator has confirmed it')
    .addHelpText('after', '\nExample:\n  $ stevedore hostnames add files.acme.example --domain acme')
    .action(
      act(async (session, _options: object, hostname: string) => {
        const slug = requireDomain(session)
        const { client, out } = session
        const added = await client.json<Hostname>('POST', `/v1/domains/${segment(slug)}/hostnames`, {
          json: { hostname: asciiHostname(hostname) },
        })
        out.result(added, printable(describeRecord(added) ?? `${added.hostname} is served.`))
      }),
    )
  hostnames
    .command('verify <hostname>')
    .description('look its TXT record up; with the administrator’s token, confirm it without')
    .addHelpText('after', '\nExample:\n  $ stevedore hostnames verify files.acme.example --domain acme')
    .action(
      act(async (session, _options: object, hostname: string) => {
        const { client, out } = session
        const verified = await client.json<Hostname>('POST', `${path(requireDomain(session), hostname)}/verify`)
        out.result(verified, printable(describeRecord(verified) ?? `${verified.hostname} is served.`))
      }),
    )
  hostnames
    .command('remove <hostname>')
    .description('remove a hostname')
    .addHelpText('after', '\nExample:\n  $ stevedore hostnames remove files.acme.example --domain acme')
    .action(
      act(async (session, _options: object, hostname: string) => {
        await session.client.json('DELETE', path(requireDomain(session), hostname))
        session.out.result({ hostname, removed: true }, printable(`${hostname} is removed.`))
      }),
    )
}
