import { Empty } from '../../parts/empty.tsx'

export function FilePage({ id }: { domain: string; id: string }) {
  return <Empty title={id} />
}
