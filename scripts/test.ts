import { relative } from 'node:path'
import { abortOnStopSignals } from './stop-signals.ts'
import { runVitest, type TestRun } from './test-run.ts'
import { sumCounts, summaryLine, type TestCounts } from './test-summary.ts'
import { quietWrangler } from './wrangler-environment.ts'

/** Longer than any test takes; in full some take an hour. */
const stallSeconds = { sample: 240, full: 7_200 }

/**
 * `npm test`: runs vitest and ends with the line `N passed, N failed`, counted from what the runner reports. Arguments go
 * to vitest, but `--full`, which sets STEVEDORE_TEST_FULL for the tests that take long. Fails when a test failed, when
 * none ran, and when the runner left no report or an exit code that its report does not explain.
 *
 * Vitest with Workers now and then stalls for ever between two files (cloudflare/workers-sdk#15498). A run that stalls is
 * ended, and the files that had not ended are run once more; what stalls a second time has failed.
 */
async function main(args: string[], stopped: AbortSignal): Promise<TestCounts> {
  const isFull = args.includes('--full')
  const options = {
    env: { ...process.env, ...quietWrangler, ...(isFull ? { STEVEDORE_TEST_FULL: '1' } : {}) },
    stallSeconds: Number(process.env.STEVEDORE_STALL_SECONDS) || stallSeconds[isFull ? 'full' : 'sample'],
    stopped,
  }
  const own = args.filter((argument) => argument !== '--full')
  const first = await runVitest({ ...options, args: own })
  if (first.stalledIn === undefined || first.unfinished.length === 0) return judge(first)

  console.error(`\nThe test runner stalled: ${describeStall(first, options.stallSeconds)}`)
  console.error(`The ${first.unfinished.length} files that had not ended are run again.`)
  const second = await runVitest({ ...options, args: [...own, ...first.unfinished] })
  return sumCounts([first.counts, judge(second, options.stallSeconds)])
}

/** The counts of a run, with a failure more when something else than a test failed. */
function judge(run: TestRun, seconds = 0): TestCounts {
  const { counts, exit, isReported, stalledIn, unfinished } = run
  const withFailure = { ...counts, failed: counts.failed + 1 }
  if (stalledIn && unfinished.length > 0) {
    console.error(`\nThe test runner stalled again: ${describeStall(run, seconds)}`)
    return withFailure
  }
  if (!isReported) {
    console.error(`\nThe test runner ended (${exit}) and left no report.`)
    return withFailure
  }
  if (counts.passed + counts.failed === 0) console.error('\nNo test ran.')
  else if (counts.failed === 0 && !stalledIn && exit !== 'exit code 0') {
    console.error(`\nNo test failed, but the test runner did (${exit}): its output above says why.`)
    return withFailure
  }
  return counts
}

function describeStall({ stalledIn = [] }: TestRun, seconds: number): string {
  const where = stalledIn.map((place) => relative(process.cwd(), place)).join(' and ') || 'between two files'
  return `nothing was heard for ${seconds} s, ${where}.`
}

const counts = await main(process.argv.slice(2), abortOnStopSignals())
console.log(summaryLine(counts))
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1
