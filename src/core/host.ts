const label = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/

/**
 * A hostname out of untrusted text such as a `Host` header: lower case, without port and trailing dot.
 * Returns null for what is no hostname (RFC 1123 §2.1): empty, too long, an odd label, an IP address, non-ASCII.
 */
export function parseHost(text: string): string | null {
  const host = text
    .toLowerCase()
    .replace(/:\d{0,5}$/, '')
    .replace(/\.$/, '')
  if (host.length === 0 || host.length > 253) return null
  const labels = host.split('.')
  if (!labels.every((part) => label.test(part))) return null
  // A last label of digits alone makes it an IPv4 address in one of its notations, and never a name.
  return /^\d+$/.test(labels[labels.length - 1] as string) ? null : host
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
