import { Empty } from '../../parts/empty.tsx'
import { PageHead } from '../../parts/page-head.tsx'

/** All domains of the deployment, for the administrator. */
export function Domains() {
  return (
    <div class="stack">
      <PageHead title="Domains" />
      <Empty title="The list of domains comes here" />
    </div>
  )
}
