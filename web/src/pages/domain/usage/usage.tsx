import { ask, at, type DailyUsage, type Usage } from '../../../administration.ts'
import { formatBinary } from '../../../parts/byte-units.ts'
import { Loading } from '../../../parts/loading.tsx'
import { Meter } from '../../../parts/meter.tsx'
import { ErrorNotice } from '../../../parts/notice.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { useLoaded } from '../../../parts/use-loaded.ts'
import type { TabProps } from '../tab.ts'
import { DailyChart } from './daily-chart.tsx'
import './usage.css'

/** What the domain stores, and what came in day by day. */
export function UsagePanels({ domain: { slug } }: TabProps) {
  const usage = useLoaded((signal) => ask<Usage>(at(slug, 'usage'), { signal }), [slug])
  const daily = useLoaded((signal) => ask<{ days: DailyUsage[] }>(at(slug, 'usage', 'daily'), { signal }), [slug])
  return (
    <div class="stack">
      <ErrorNotice error={usage.error} />
      {usage.value && <Figures usage={usage.value} />}
      {!usage.value && !usage.error && <Loading what="the usage" />}
      <Panel
        title="The last 30 days"
        about="Files that came in, by days in UTC. A deleted one is counted as long as its history is kept."
      >
        <div class="panel-body">
          <ErrorNotice error={daily.error} />
          {daily.value ? <DailyChart days={daily.value.days} /> : !daily.error && <Loading what="the days" />}
        </div>
      </Panel>
    </div>
  )
}

function Figures({ usage }: { usage: Usage }) {
  const count = (value: number) => value.toLocaleString()
  return (
    <dl class="figures">
      <div class="panel figure">
        <dt>Stored</dt>
        <dd>
          <Meter label="Stored of the quota" value={usage.bytes} most={usage.quotaBytes} format={formatBinary} />
          {usage.quotaBytes === null && <span class="soft small">No limit</span>}
        </dd>
      </div>
      <div class="panel figure">
        <dt>Files</dt>
        <dd>
          <Meter label="Files of the quota" value={usage.files} most={usage.quotaFiles} format={count} />
          {usage.quotaFiles === null && <span class="soft small">No limit</span>}
        </dd>
      </div>
      <div class="panel figure">
        <dt>Uploads this month</dt>
        <dd>
          <span class="numeric">{count(usage.uploadsThisMonth)}</span>
          <span class="soft small">Deleted or not</span>
        </dd>
      </div>
    </dl>
  )
}
