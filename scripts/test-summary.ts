import { z } from 'zod'

/** What of the runner's JSON report counts. */
const reportShape = z.looseObject({
  testResults: z.array(
    z.looseObject({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.looseObject({ status: z.string() })),
    }),
  ),
})

export interface TestCounts {
  passed: number
  failed: number
  skipped: number
}

/**
 * Counts the tests of a report. A file that failed without a failed test, because it could not be loaded or a hook of
 * its threw, counts as one failure. Throws when `report` is none.
 */
export function countTests(report: unknown): TestCounts {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const file of reportShape.parse(report).testResults) {
    const statuses = file.assertionResults.map(({ status }) => status)
    if (file.status === 'failed' && !statuses.includes('failed')) counts.failed += 1
    for (const status of statuses) counts[status === 'passed' || status === 'failed' ? status : 'skipped'] += 1
  }
  return counts
}

/** `12 passed, 0 failed`, and `, 3 skipped` when there were any. */
export function summaryLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
