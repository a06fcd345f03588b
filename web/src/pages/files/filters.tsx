import { Button } from '../../parts/button.tsx'
import { statusLabels } from '../../parts/status-badge.tsx'
import { applyFilter, type Filter, isFiltered, type View } from './filter.ts'

const types = [
  { type: 'image/*', label: 'Pictures' },
  { type: 'video/*', label: 'Video' },
  { type: 'audio/*', label: 'Audio' },
  { type: 'application/pdf', label: 'PDF' },
  { type: 'text/*', label: 'Text' },
  { type: 'application/*', label: 'Documents and data' },
]

/** What of the files is shown, and how. */
export function Filters({ domain, filter }: { domain: string; filter: Filter }) {
  const change = (changed: Partial<Filter>) => applyFilter(domain, { ...filter, ...changed })
  return (
    <search class="filters">
      <select
        class="select"
        aria-label="Status"
        value={filter.status ?? ''}
        onChange={(event) => change({ status: (event.currentTarget.value || undefined) as Filter['status'] })}
      >
        <option value="">Any status</option>
        {statusLabels.map(({ status, label }) => (
          <option key={status} value={status}>
            {label}
          </option>
        ))}
      </select>
      <select
        class="select"
        aria-label="Type"
        value={filter.type ?? ''}
        onChange={(event) => change({ type: event.currentTarget.value || undefined })}
      >
        <option value="">Any type</option>
        {types.map(({ type, label }) => (
          <option key={type} value={type}>
            {label}
          </option>
        ))}
      </select>
      <Day label="From" value={filter.from} onChange={(from) => change({ from })} />
      <Day label="To" value={filter.to} onChange={(to) => change({ to })} />
      {isFiltered(filter) && (
        <Button
          look="quiet"
          compact
          onClick={() => change({ status: undefined, type: undefined, from: undefined, to: undefined })}
        >
          Show all
        </Button>
      )}
      <ViewChoice view={filter.view} onChange={(view) => change({ view })} />
    </search>
  )
}

interface DayProps {
  label: string
  value: string | undefined
  onChange: (value: string | undefined) => void
}

function Day({ label, value, onChange }: DayProps) {
  return (
    <label class="filters-day">
      <span class="soft small">{label}</span>
      <input
        class="input"
        type="date"
        value={value ?? ''}
        onChange={(event) => onChange(event.currentTarget.value || undefined)}
      />
    </label>
  )
}

function ViewChoice({ view, onChange }: { view: View; onChange: (view: View) => void }) {
  const choices = [
    { name: 'table', label: 'Table' },
    { name: 'grid', label: 'Grid' },
  ] as const
  return (
    <fieldset class="switch">
      <legend class="unseen">Shown as</legend>
      {choices.map(({ name, label }) => (
        <label key={name}>
          <input type="radio" name="view" checked={view === name} onChange={() => onChange(name)} />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  )
}
