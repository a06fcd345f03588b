export interface TestCounts {
  passed: number
  failed: number
  skipped: number
}

/**
 * Counts the tests of a file by their states. A file that failed without a failed test, because it could not be loaded or
 * a hook of its threw, counts as one failure.
 */
export function countTests(states: readonly string[], fileFailed: boolean): TestCounts {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const state of states) counts[state === 'passed' || state === 'failed' ? state : 'skipped'] += 1
  if (fileFailed && counts.failed === 0) counts.failed = 1
  return counts
}

export function sumCounts(all: Iterable<TestCounts>): TestCounts {
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const { passed, failed, skipped } of all) {
    sum.passed += passed
    sum.failed += failed
    sum.skipped += skipped
  }
  return sum
}

/** `12 passed, 0 failed`, and `, 3 skipped` when there were any. */
export function summaryLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
