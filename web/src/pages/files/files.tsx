import { Empty } from '../../parts/empty.tsx'
import { PageHead } from '../../parts/page-head.tsx'

export function Files({ domain }: { domain: string }) {
  return (
    <div class="stack">
      <PageHead title="Files" />
      <Empty title={`The files of ${domain}`} />
    </div>
  )
}
