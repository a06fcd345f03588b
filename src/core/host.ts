const label = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/

/**
 * The authority of a request's URL as it was sent. A URL parser would mend it first: it decodes percent signs, drops user
 * names, tabs and what follows a `#`, and turns look-alikes into ASCII, so that what a proxy in front has taken for one
 * host would be served as another.
 */
export function authorityOf(url: string): string {
  return /^[a-z]+:\/\/([^/]*)/.exec(url)?.[1] ?? ''
}

/**
 * A hostname out of untrusted text such as a `Host` header: lower case, without port and trailing dot.
 * Returns null for what is no hostname (RFC 1123 §2.1): empty, too long, an odd label, an IP address, non-ASCII.
 */
export function parseHost(text: string): string | null {
  const port = /:(\d{0,5})$/.exec(text)
  if (port && Number(port[1]) > 65_535) return null
  const host = text.toLowerCase().slice(0, port?.index).replace(/\.$/, '')
  if (host.length === 0 || host.length > 253) return null
  const labels = host.split('.')
  if (!labels.every((part) => label.test(part))) return null
  // A last label that is a number makes it an IPv4 address in one of its notations, and never a name (WHATWG URL §3.5).
  return /^(\d+|0x[0-9a-f]*)$/.test(labels[labels.length - 1] as string) ? null : host
}

/** What a host stands for, before anybody asks the database. */
export type HostMeaning =
  | { kind: 'apex' }
  | { kind: 'slug'; slug: string }
  | { kind: 'hostname'; hostname: string }
  | { kind: 'none' }

/** Reads a `Host` against the deployment's own `baseDomain`, which is already a lower-case hostname. */
export function meaningOfHost(text: string, baseDomain: string): HostMeaning {
  const host = parseHost(text)
  if (host === null) return { kind: 'none' }
  if (host === baseDomain) return { kind: 'apex' }
  if (!host.endsWith(`.${baseDomain}`)) return { kind: 'hostname', hostname: host }
  const slug = host.slice(0, -baseDomain.length - 1)
  return isSlug(slug) ? { kind: 'slug', slug } : { kind: 'none' }
}

/** A slug is one DNS label of lower-case letters, digits and inner hyphens. */
export function isSlug(text: string): boolean {
  return label.test(text)
}

/** Slugs that would shadow what an operator runs beside the deployment, or that people take for something official. */
export const reservedSlugs: ReadonlySet<string> = new Set([
  'www',
  'api',
  'admin',
  'app',
  'mail',
  'static',
  'assets',
  'cdn',
  'docs',
  'status',
  'internal',
  'localhost',
  'stevedore',
])

/** A hostname that a domain may have, or why it may not. */
export type HostnameVerdict = { ok: true; hostname: string } | { ok: false; reason: string }

/**
 * Whether a domain may be served at this hostname: a name of two labels or more, in ASCII (an IDN in punycode, RFC 5891),
 * no address, and not below the deployment's own `baseDomain`, where a slug is a domain's name.
 */
export function judgeHostname(text: string, baseDomain: string): HostnameVerdict {
  const refused = (reason: string): HostnameVerdict => ({ ok: false, reason })
  const shown = text.slice(0, 260)
  if (/[^\0-\x7f]/.test(text)) {
    const punycode = asciiOf(text)
    return refused(
      punycode ? `"${shown}" must be written in punycode: ${punycode}.` : `"${shown}" is no hostname, in no script.`,
    )
  }
  const hostname = parseHost(text)
  // The URL parser knows which labels "xn--…" stand for something; it leaves every other name as it is.
  if (hostname === null || !hostname.includes('.') || asciiOf(hostname) !== hostname) {
    return refused(`"${shown}" is no hostname. Write it as files.example.com, an IDN in punycode.`)
  }
  if (hostname === baseDomain || hostname.endsWith(`.${baseDomain}`)) {
    return refused(`"${hostname}" lies under this deployment's own ${baseDomain}; the slug is its name there.`)
  }
  return { ok: true, hostname }
}

function asciiOf(text: string): string | null {
  const url = `http://${text}/`
  return URL.canParse(url) ? parseHost(new URL(url).hostname) : null
}

/** The most hostnames that a domain may claim. */
export const maxHostnames = 50

/** The DNS record that proves that a hostname belongs to whoever runs a domain. */
export function proofRecord(hostname: string, domainId: string): { name: string; type: 'TXT'; value: string } {
  return { name: `_stevedore.${hostname}`, type: 'TXT', value: `stevedore-domain=${domainId}` }
}
