import { Empty } from '../../parts/empty.tsx'

/** The hostnames that lead to the domain. */
export function Hostnames({ slug }: { slug: string }) {
  return <Empty title={`Hostnames of ${slug}`} />
}
