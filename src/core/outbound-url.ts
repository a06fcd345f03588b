import { parseHost } from './host.ts'
import { type AddressUse, useOfAddress } from './ip-address.ts'

/** What a deployment says of the URLs that its domains may have it call. */
export interface OutboundRules {
  /** Whether `http` and this machine itself may be called: on a developer's machine only. */
  readonly allowsLocal: boolean
  /** The deployment's own host, which is never called: a lower-case hostname. */
  readonly baseDomain: string
}

/** A URL that may be called, as it is to be called, or why it may not: a sentence for whoever has sent it. */
export type OutboundVerdict = { ok: true; url: string } | { ok: false; reason: string }

const maxUrlLength = 2000

/** The ports at which Cloudflare itself serves HTTPS: enough for web servers, and nobody's database. */
const allowedPorts: ReadonlySet<string> = new Set(['', '443', '2053', '2083', '2087', '2096', '8443'])

/** Top-level names that no public DNS has (RFC 6761, 6762, 8375, 9476), or that private networks use all the same. */
const privateSuffixes = [
  'localhost',
  'local',
  'localdomain',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'test',
  'invalid',
  'onion',
  'alt',
  'arpa',
]

const useNames: Readonly<Record<Exclude<AddressUse, 'public'>, string>> = {
  unspecified: 'an unspecified address',
  loopback: 'a loopback address',
  private: 'an address of a private network',
  'link-local': 'a link-local address',
  metadata: "the address of a cloud's metadata service",
  multicast: 'a multicast address',
  reserved: 'a reserved address',
}

/**
 * Whether the Worker may call a URL that somebody else has written. The URL parser turns each notation of an address
 * into one before it is looked at. A name can still lead to any address in DNS: docs/security.md says what keeps that in
 * bounds.
 */
export function judgeOutboundUrl(text: string, { allowsLocal, baseDomain }: OutboundRules): OutboundVerdict {
  const refused = (reason: string): OutboundVerdict => ({ ok: false, reason: `The URL ${reason}.` })
  if (text.length > maxUrlLength) return refused(`has more than ${maxUrlLength} characters`)
  // Parsers differ in what they make of these; a URL that all of them read alike needs none of them.
  if (/[^\x21-\x7e]|[\\<>"^`{|}]/.test(text)) {
    return refused('has a character that must be percent-encoded, or a hostname that must be in punycode')
  }
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]+)/i.exec(text)?.[1]
  const url = URL.parse(text)
  if (!url || authority === undefined) return refused('is no absolute URL such as https://example.com/hook')
  if (url.protocol !== 'https:' && !(allowsLocal && url.protocol === 'http:')) return refused('is not https')
  if (authority.includes('@')) return refused('has a user name or password')
  if (text.includes('#')) return refused('has a fragment, which is never sent')
  if (authority.includes('%')) return refused('has a percent sign in its hostname')
  const wrong = wrongHost(url.hostname, { allowsLocal, baseDomain })
  if (wrong !== null) return refused(wrong)
  if (!allowsLocal && !allowedPorts.has(url.port)) return refused(`names port ${url.port}; use 443 or 8443`)
  return { ok: true, url: url.href }
}

/** What speaks against a host as the URL parser gives it; null when nothing does. */
function wrongHost(hostname: string, { allowsLocal, baseDomain }: OutboundRules): string | null {
  const address = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  const use = useOfAddress(address)
  if (use !== null) {
    if (allowsLocal && use === 'loopback') return null
    if (use !== 'public') return `leads to ${useNames[use]}, ${address}`
    // Nobody has a certificate for one, and Cloudflare calls none.
    return `names the address ${address}; name a host`
  }
  const name = hostname.replace(/\.+$/, '')
  const labels = name.split('.')
  const last = labels.at(-1) as string
  if (allowsLocal && last === 'localhost' && name === hostname) return null
  if (labels.length < 2 || privateSuffixes.includes(last)) return `names "${name}", which is no public host`
  if (name !== hostname) return 'has a dot at the end of its hostname'
  if (parseHost(hostname) !== hostname) return `has a hostname that is none, "${hostname.slice(0, 100)}"`
  if (name === baseDomain || name.endsWith(`.${baseDomain}`)) return 'leads back to this deployment itself'
  return null
}
