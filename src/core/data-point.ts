import { calledParts, type WorkRecord } from './work-record.ts'

/**
 * A piece of work as a data point of Workers Analytics Engine. What stands where is documented in docs/operations.md, and
 * stays there: new things are added behind the others.
 */
export interface DataPoint {
  indexes: string[]
  blobs: string[]
  doubles: number[]
}

/** What is sampled by where there is too much: a busy domain must not crowd the others out. */
const noDomain = 'none'

export function dataPointOf({ work, notes, durationMs, calls }: WorkRecord): DataPoint {
  const { domainId, method, route, kind, status, outcome, code, bytesIn, bytesOut, attempt, generation } = notes
  return {
    indexes: [domainId ?? noDomain],
    blobs: [
      work,
      route ?? kind ?? '',
      method ?? '',
      status === undefined ? '' : String(status),
      outcome ?? '',
      code ?? '',
      domainId ?? '',
    ],
    doubles: [
      durationMs,
      bytesIn ?? 0,
      bytesOut ?? 0,
      attempt ?? 0,
      generation ?? 0,
      ...calledParts.flatMap((part) => [calls[part].count, calls[part].ms, calls[part].failures]),
    ],
  }
}
