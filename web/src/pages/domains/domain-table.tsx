import { at, type DeadLetter, type Domain, tell } from '../../administration.ts'
import { Button } from '../../parts/button.tsx'
import { formatBinary } from '../../parts/byte-units.ts'
import { Meter } from '../../parts/meter.tsx'
import { ErrorNotice } from '../../parts/notice.tsx'
import { Time } from '../../parts/time.tsx'
import { useAction } from '../../parts/use-action.ts'
import { hrefTo } from '../../router.ts'

interface DomainTableProps {
  domains: readonly Domain[]
  /** Jobs that were given up, of any domain. */
  letters: readonly DeadLetter[]
  onRestored: () => void
}

export function DomainTable({ domains, letters, onRestored }: DomainTableProps) {
  return (
    <table class="table cards">
      <thead>
        <tr>
          <th scope="col">Domain</th>
          <th scope="col">State</th>
          <th scope="col">Stored</th>
          <th scope="col">Files</th>
          <th scope="col" class="end">
            Made
          </th>
        </tr>
      </thead>
      <tbody>
        {domains.map((domain) => (
          <DomainRow
            key={domain.id}
            domain={domain}
            letters={letters.filter(({ domainId }) => domainId === domain.id).length}
            onRestored={onRestored}
          />
        ))}
      </tbody>
    </table>
  )
}

interface DomainRowProps {
  domain: Domain
  letters: number
  onRestored: () => void
}

function DomainRow({ domain, letters, onRestored }: DomainRowProps) {
  const { slug, hostnames, stored, policy } = domain
  const quota = (field: string) => (policy[field] as number | null | undefined) ?? null
  return (
    <tr>
      <td class="domain-name">
        {domain.deletedAt === null ? <a href={hrefTo(['domains', slug])}>{slug}</a> : <strong>{slug}</strong>}
        {hostnames.length > 0 && <span class="soft small">{hostnames.map(({ hostname }) => hostname).join(', ')}</span>}
      </td>
      <td data-label="State">
        <span class="row domain-state">
          <State domain={domain} />
          {domain.deletedAt !== null && <Restore slug={slug} onRestored={onRestored} />}
          {letters > 0 && domain.deletedAt === null && (
            <a href={hrefTo(['domains', slug, 'dead-letters'])}>
              {letters === 1 ? '1 dead letter' : `${letters} dead letters`}
            </a>
          )}
        </span>
      </td>
      <td data-label="Stored">
        <Meter label={`Stored by ${slug}`} value={stored.bytes} most={quota('quotaBytes')} format={formatBinary} />
      </td>
      <td data-label="Files">
        <Meter label={`Files of ${slug}`} value={stored.files} most={quota('quotaFiles')} format={formatCount} />
      </td>
      <td data-label="Made" class="end numeric soft">
        <Time at={domain.createdAt} />
      </td>
    </tr>
  )
}

function State({ domain }: { domain: Domain }) {
  if (domain.deletedAt !== null) return <span class="badge bad">Deleted</span>
  return domain.suspendedAt === null ? (
    <span class="badge good">Active</span>
  ) : (
    <span class="badge warn">Suspended</span>
  )
}

function Restore({ slug, onRestored }: { slug: string; onRestored: () => void }) {
  const { isBusy, error, start } = useAction()
  const restore = async () => {
    await tell('POST', at(slug, 'restore'))
    onRestored()
  }
  return (
    <>
      <Button compact disabled={isBusy} onClick={() => start(restore)}>
        Restore<span class="unseen"> {slug}</span>
      </Button>
      <ErrorNotice error={error} />
    </>
  )
}

function formatCount(count: number): string {
  return count.toLocaleString()
}
