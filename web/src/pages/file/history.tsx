import type { HistoryEvent } from '../../api.ts'
import { formatDuration } from '../../parts/sizes.ts'
import { PastStatus } from '../../parts/status-badge.tsx'
import { Time } from '../../parts/time.tsx'

/** What has happened to the file, oldest first, and how long after what came before. */
export function History({ events }: { events: readonly HistoryEvent[] }) {
  return (
    <section class="panel" aria-labelledby="history">
      <div class="panel-head">
        <h2 id="history">History</h2>
      </div>
      <ol class="panel-body history">
        {events.map(({ number, status, generation, failure, at }, index) => {
          const before = events[index - 1]
          return (
            <li key={number} class="history-event">
              <div class="row spread">
                <span class="row">
                  <PastStatus status={status} />
                  {before && before.generation !== generation && <span class="soft small">pass {generation}</span>}
                </span>
                <span class="soft small numeric">
                  {before ? `+ ${formatDuration(Date.parse(at) - Date.parse(before.at))}` : <Time at={at} />}
                </span>
              </div>
              {failure && <p class="small">{failure.detail}</p>}
            </li>
          )
        })}
      </ol>
    </section>
  )
}
