import { useState } from 'preact/hooks'
import type { DailyUsage } from '../../../administration.ts'
import { formatBinary } from '../../../parts/byte-units.ts'

const measures = [
  { name: 'files', label: 'Files', format: (value: number) => value.toLocaleString() },
  { name: 'bytes', label: 'Bytes', format: formatBinary },
] as const

/** The days as they stand in the answer are those of UTC. */
const dayFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' })

const height = 100
/** What a bar takes of the room of its day. */
const barWidth = 0.7
/** A day with something in it is seen, however little that is. */
const leastHeight = 1.5

/** What came in on each day, as bars and, for who wants the numbers, as a table. */
export function DailyChart({ days }: { days: readonly DailyUsage[] }) {
  const [measure, setMeasure] = useState<(typeof measures)[number]>(measures[0])
  const [pointed, setPointed] = useState<DailyUsage | null>(null)
  const values = days.map((day) => day[measure.name])
  const most = Math.max(...values, 0)
  const total = values.reduce((sum, value) => sum + value, 0)
  const [first, last] = [days.at(0), days.at(-1)]
  return (
    <figure class="chart">
      <div class="row spread">
        <figcaption class="chart-caption numeric" aria-live="off">
          {pointed ? (
            <>
              <strong>{measure.format(pointed[measure.name])}</strong> <span class="soft">{nameOf(pointed)}</span>
            </>
          ) : (
            <>
              <strong>{measure.format(total)}</strong> <span class="soft">in {days.length} days</span>
            </>
          )}
        </figcaption>
        <fieldset class="switch">
          <legend class="unseen">What the bars show</legend>
          {measures.map((it) => (
            <label key={it.name}>
              <input type="radio" name="measure" checked={it === measure} onChange={() => setMeasure(it)} />
              <span>{it.label}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <svg
        class="chart-bars"
        role="img"
        aria-label={`${measure.label} that came in on each of the last ${days.length} days; the most on one day was ${measure.format(most)}.`}
        viewBox={`0 0 ${days.length} ${height}`}
        preserveAspectRatio="none"
        onPointerLeave={() => setPointed(null)}
      >
        {days.map((day, index) => {
          const value = day[measure.name]
          const tall = value === 0 ? 0 : Math.max((value / most) * height, leastHeight)
          return (
            <g key={day.date} onPointerEnter={() => setPointed(day)} class={day === pointed ? 'pointed' : undefined}>
              <rect class="chart-day" x={index} y={0} width={1} height={height} />
              <rect class="chart-bar" x={index + (1 - barWidth) / 2} y={height - tall} width={barWidth} height={tall} />
            </g>
          )
        })}
      </svg>
      <div class="row spread small soft">
        <span>{first && nameOf(first)}</span>
        <span>{most === 0 ? 'Nothing came in' : `At most ${measure.format(most)} on a day`}</span>
        <span>{last && nameOf(last)}</span>
      </div>
      <details class="chart-table">
        <summary>The numbers</summary>
        <div class="table-frame">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">Day</th>
                {measures.map(({ name, label }) => (
                  <th key={name} scope="col" class="end">
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {days.toReversed().map((day) => (
                <tr key={day.date}>
                  <td>{nameOf(day)}</td>
                  {measures.map(({ name, format }) => (
                    <td key={name} class="end numeric">
                      {format(day[name])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  )
}

function nameOf({ date }: DailyUsage): string {
  return dayFormat.format(new Date(date))
}
