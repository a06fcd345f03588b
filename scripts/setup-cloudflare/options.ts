import { Command } from 'commander'
import { isSlug, parseHost, reservedSlugs } from '../../src/core/host.ts'
import { Failure } from '../failure.ts'

/** The flags, as they were given. */
export interface Flags {
  host?: string
  zone?: string
  domain?: string
  url?: string
  yes: boolean
  dryRun: boolean
}

const description = `
Puts Stevedore on your Cloudflare account: finds or creates the bucket, the database, the queues and the secrets, writes
their ids into wrangler.toml, applies the migrations, deploys, uploads a file to see that it works, and prints the
administrator's token and the key of the first domain. Safe to run again: what is there already stays as it is.`

/** Reads the command line. Throws commander's errors instead of ending the process. */
export function parseFlags(args: readonly string[]): Flags {
  return new Command('npm run setup:cloudflare --')
    .description(description.trim())
    .option('--host <host>', "the deployment's own host, such as uploads.example.com")
    .option('--zone <zone>', "the Cloudflare zone of the host; without it, the host's parent")
    .option('--domain <slug>', 'the slug of the first domain, such as acme')
    .option('--url <url>', 'where to reach the deployment for the test upload, if not at https://<host>')
    .option('--yes', 'ask nothing', false)
    .option('--dry-run', 'print each step with its commands, and change nothing', false)
    .allowExcessArguments(false)
    .exitOverride()
    .parse(args, { from: 'user' })
    .opts<Flags>()
}

/** A host that a deployment can have. Throws a `Failure` for what is none. */
export function requireHost(text: string): string {
  const host = parseHost(text)
  if (host?.includes('.') && host === text.toLowerCase()) return host
  throw new Failure(`"${text}" is no host. Write it like uploads.example.com, without https:// and without a port.`)
}

/** The zone of a host. Throws a `Failure` when the host does not lie in it. */
export function requireZone(text: string, host: string): string {
  const zone = requireHost(text)
  if (zone === host || host.endsWith(`.${zone}`)) return zone
  throw new Failure(`The host ${host} does not lie in the zone ${zone}.`)
}

/** What a host's zone most likely is: its parent, or the host itself when that is a name of two labels. */
export function likelyZone(host: string): string {
  const parent = host.slice(host.indexOf('.') + 1)
  return parent.includes('.') ? parent : host
}

/** A slug that a domain can have. Throws a `Failure` for what is none. */
export function requireSlug(text: string): string {
  if (!isSlug(text)) {
    throw new Failure(`"${text}" is no slug of a domain: lower-case letters, digits and hyphens, such as acme.`)
  }
  if (reservedSlugs.has(text)) throw new Failure(`No domain can have the slug "${text}": it is reserved. Take another.`)
  return text
}

/** The address for the test upload. Throws a `Failure` for what is none. */
export function requireUrl(text: string): URL {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text)
  throw new Failure(`"${text}" is no address. Write it like https://uploads.example.com`)
}
