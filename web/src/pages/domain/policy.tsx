import { Empty } from '../../parts/empty.tsx'

/** What the domain allows. */
export function PolicyForm({ slug }: { slug: string }) {
  return <Empty title={`PolicyForm of ${slug}`} />
}
