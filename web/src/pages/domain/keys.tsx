import { Empty } from '../../parts/empty.tsx'

/** The domain’s keys. */
export function Keys({ slug }: { slug: string }) {
  return <Empty title={`Keys of ${slug}`} />
}
