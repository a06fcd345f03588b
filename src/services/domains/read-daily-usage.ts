import type { Clock } from '../../core/ports.ts'
import { type DayOfUploads, dayOf, findDays } from '../../db/domain-days.ts'
import { type FindParts, findOpenDomain } from './find-domain.ts'

const dayMs = 24 * 3600 * 1000

/**
 * What a domain has accepted on each of the last `days` days (UTC), oldest first and today last, those without an upload
 * as well. Throws `domain-not-found`, also for a deleted one.
 */
export async function readDailyUsage(
  parts: FindParts & { now: Clock },
  slug: string,
  days: number,
): Promise<DayOfUploads[]> {
  const { name, place } = await findOpenDomain(parts, slug)
  const first = parts.now() - (days - 1) * dayMs
  const counted = new Map((await findDays(place.db, name.id, dayOf(first))).map((day) => [day.date, day]))
  return Array.from({ length: days }, (_, index) => {
    const date = dayOf(first + index * dayMs)
    return counted.get(date) ?? { date, files: 0, bytes: 0 }
  })
}
