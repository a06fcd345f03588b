import { counted, type Family, splitKey, type Tally, widthOf } from '../core/figures.ts'
import type { Clock, Log } from '../core/ports.ts'
import { renderFamily, type Series } from '../core/prometheus.ts'
import { readStateFigures, type StateCount, type StateFigures } from '../db/state-figures.ts'
import type { Place } from './place.ts'

export interface MetricsParts {
  places: readonly Place[]
  /** What the isolates of the deployment have counted. Null: nothing is gathered. */
  readTotals(): Promise<Tally | null>
  now: Clock
  log: Log
}

/** A gauge that is read from each database; `of` gives its numbers there, by the label that it has beside `place`. */
interface StateGauge {
  readonly help: string
  readonly label?: string
  of(figures: StateFigures): StateCount[] | number
}

const gauges: Record<string, StateGauge> = {
  stevedore_domains: { help: 'Domains, without those that were deleted.', of: (it) => it.domains },
  stevedore_stored_files: { help: 'Files that count against quotas.', of: (it) => it.storedFiles },
  stevedore_stored_bytes: {
    help: 'Bytes that count against quotas, the reserved ones included.',
    of: (it) => it.storedBytes,
  },
  stevedore_reserved_bytes: {
    help: 'Bytes that uploads which are still running have reserved of quotas.',
    of: (it) => it.reservedBytes,
  },
  stevedore_open_files: {
    help: 'Files that are on their way, by status.',
    label: 'status',
    of: (it) => it.files,
  },
  stevedore_oldest_pending_seconds: {
    help: 'How long the file waits that waits the longest for a worker; 0 when none does.',
    of: (it) => it.oldestPendingMs / 1000,
  },
  stevedore_due_jobs: {
    help: 'Jobs whose time to be published (again) has passed.',
    label: 'kind',
    of: (it) => it.due,
  },
  stevedore_dead_letters: {
    help: 'Jobs that their queue has given up and nobody has sent again.',
    of: (it) => it.deadLetters,
  },
  stevedore_waiting_deliveries: {
    help: 'Webhook deliveries that wait for their first attempt, or for another one.',
    label: 'state',
    of: (it) => it.deliveries,
  },
  stevedore_webhook_endpoints: {
    help: 'Webhook endpoints; those that are failing have had nothing but failed attempts lately.',
    label: 'state',
    of: (it) => it.endpoints,
  },
  stevedore_objects_to_remove: {
    help: 'Deleted files whose objects should have been removed from R2 more than ten minutes ago.',
    of: (it) => it.removals,
  },
}

const sourceUp: Family = {
  type: 'gauge',
  help: 'Whether what this answer is made of could be read: the database of a place, or the totals of all isolates.',
  labels: ['source'],
}

/**
 * All metrics in the text format of Prometheus. What can't be read is left out, and `stevedore_source_up` says so: a
 * scrape that fails as a whole would hide what is well.
 */
export async function renderMetrics(parts: MetricsParts): Promise<string> {
  const { places, readTotals, now, log } = parts
  const orNull = <T>(source: string, read: Promise<T>) =>
    read.catch((error) => {
      log('error', 'metrics-not-read', { source, error })
      return null
    })
  const [totals, ...states] = await Promise.all([
    orNull(
      'totals',
      readTotals().then((tally) => ({ tally })),
    ),
    ...places.map(async (place) => {
      const source = place.jurisdiction ?? 'default'
      return { source, figures: await orNull(source, readStateFigures(place.db, now())) }
    }),
  ])
  const up: Series[] = states.map(({ source, figures }) => ({ labels: [source], numbers: [figures ? 1 : 0] }))
  if (totals?.tally !== null) up.push({ labels: ['totals'], numbers: [totals ? 1 : 0] })
  const inPlaces = Object.entries(gauges).map(([name, gauge]) => renderGauge(name, gauge, states))
  const tally = totals?.tally
  const ofWork = tally ? Object.entries(counted).map(([name, family]) => renderCounted(name, family, tally)) : []
  return [renderFamily('stevedore_source_up', sourceUp, up), ...inPlaces, ...ofWork].join('')
}

function renderGauge(
  name: string,
  { help, label, of }: StateGauge,
  states: readonly { source: string; figures: StateFigures | null }[],
): string {
  const series = states.flatMap(({ source, figures }) => {
    if (!figures) return []
    const found = of(figures)
    if (typeof found === 'number') return [{ labels: [source], numbers: [found] }]
    return found.map(({ state, count }) => ({ labels: [source, state], numbers: [count] }))
  })
  return renderFamily(name, { type: 'gauge', help, labels: label ? ['place', label] : ['place'] }, series)
}

/** What another version has counted in another form is left out. */
function renderCounted(name: string, family: Family, tally: Tally): string {
  const series = [...tally].flatMap(([key, numbers]) => {
    const of = splitKey(key)
    const fits = of.name === name && of.labels.length === family.labels.length && numbers.length === widthOf(family)
    return fits ? [{ labels: of.labels, numbers }] : []
  })
  for (const labels of family.known ?? []) {
    if (!series.some((one) => one.labels.join() === labels.join())) series.push({ labels: [...labels], numbers: [0] })
  }
  return renderFamily(
    name,
    family,
    series.sort((a, b) => (a.labels.join() < b.labels.join() ? -1 : 1)),
  )
}
