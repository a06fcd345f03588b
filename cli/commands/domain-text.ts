import type { Domain, Hostname } from '../api.ts'
import { renderTable } from '../table.ts'
import { printable, renderFields } from '../text.ts'

/** A domain for people: its names, how it stands, and the policy in force. */
export function renderDomain(domain: Domain): string {
  const { slug, hostnames, jurisdiction, createdAt, policy } = domain
  const fields: [string, string][] = [
    ['Slug', slug],
    ['Status', statusOf(domain)],
    ['Hostnames', hostnames.map(describeHostname).join(', ') || 'none of its own'],
    ...(jurisdiction ? [['Jurisdiction', jurisdiction] as [string, string]] : []),
    ['Made', createdAt],
    ['Policy', ''],
    ...Object.entries(policy).map(([name, value]): [string, string] => [`  ${name}`, JSON.stringify(value)]),
  ]
  return renderFields(fields)
}

export function renderDomains(domains: readonly Domain[], width: number): string {
  if (domains.length === 0) return 'No domains.'
  const rows = domains.map((domain) => [
    domain.slug,
    statusOf(domain),
    domain.createdAt,
    domain.hostnames.map(describeHostname).join(', '),
  ])
  return renderTable(
    ['Slug', 'Status', 'Made', 'Hostnames'],
    rows.map((row) => row.map(printable)),
    width,
  )
}

/** What its owner has to do for a hostname that is not routed yet; undefined for one that is. */
export function describeRecord({ hostname, status, record }: Hostname): string | undefined {
  if (status === 'active' || !record) return undefined
  return `${hostname} is not served yet. Add this ${record.type} record, then run: stevedore hostnames verify ${hostname}\n  ${record.name}  ${record.type}  "${record.value}"`
}

function statusOf({ deletedAt, suspendedAt }: Domain): string {
  if (deletedAt) return `deleted ${deletedAt}`
  return suspendedAt ? `suspended ${suspendedAt}` : 'active'
}

function describeHostname(hostname: string | Hostname): string {
  if (typeof hostname === 'string') return hostname
  return hostname.status === 'active' ? hostname.hostname : `${hostname.hostname} (${hostname.status})`
}
