import { Empty } from '../../parts/empty.tsx'

/** Jobs that were given up. */
export function DeadLetters({ slug }: { slug: string }) {
  return <Empty title={`DeadLetters of ${slug}`} />
}
