import { Empty } from '../../parts/empty.tsx'

/** Who is told what happens. */
export function Webhooks({ slug }: { slug: string }) {
  return <Empty title={`Webhooks of ${slug}`} />
}
