import { Empty } from '../../parts/empty.tsx'

/** What the domain stores. */
export function Usage({ slug }: { slug: string }) {
  return <Empty title={`Usage of ${slug}`} />
}
