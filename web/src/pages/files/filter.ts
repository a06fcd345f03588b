import type { FileStatus } from '../../api.ts'
import { goTo, hrefTo, type Place } from '../../router.ts'

export type View = 'table' | 'grid'

/** What of a domain's files is shown, and how: all of it stands in the address. Days are the reader's own. */
export interface Filter {
  status: FileStatus | undefined
  /** A media type, or a group such as `image/*`. */
  type: string | undefined
  /** `2026-11-23`: the first and the last day on which the files came in. */
  from: string | undefined
  to: string | undefined
  view: View
}

const day = /^\d{4}-\d{2}-\d{2}$/

export function readFilter({ query }: Place): Filter {
  const dayOf = (name: string) => (day.test(query.get(name) ?? '') ? (query.get(name) ?? undefined) : undefined)
  return {
    status: (query.get('status') as FileStatus | null) ?? undefined,
    type: query.get('type') ?? undefined,
    from: dayOf('from'),
    to: dayOf('to'),
    view: query.get('view') === 'grid' ? 'grid' : 'table',
  }
}

/** Shows what another filter says; the browser's way back leads to the page before, and not through each change. */
export function applyFilter(domain: string, { view, ...rest }: Filter): void {
  goTo(hrefTo(['files', domain], { ...rest, view: view === 'grid' ? view : undefined }), { replace: true })
}

export function isFiltered({ status, type, from, to }: Filter): boolean {
  return [status, type, from, to].some((value) => value !== undefined)
}

/** The filter as the list of uploads takes it. */
export function toListOptions({ status, type, from, to }: Filter) {
  return { status, type, createdAfter: startOf(from), createdBefore: startOf(to, 1) }
}

/** The midnight with which a day begins here; with `later` 1, that with which it ends. */
function startOf(text: string | undefined, later = 0): Date | undefined {
  if (text === undefined) return undefined
  const date = new Date(`${text}T00:00`)
  date.setDate(date.getDate() + later)
  return date
}
