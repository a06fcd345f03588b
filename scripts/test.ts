import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { abortOnStopSignals } from './stop-signals.ts'
import { countTests, summaryLine, type TestCounts } from './test-summary.ts'
import { quietWrangler } from './wrangler-environment.ts'

/**
 * `npm test`: runs vitest and ends with the line `N passed, N failed`, counted from the runner's own report. Arguments
 * go to vitest, but `--full`, which sets STEVEDORE_TEST_FULL for the tests that take long. Fails when a test failed,
 * when none ran, and when the runner left no report or an exit code that its report does not explain.
 */
async function main(args: string[], stopped: AbortSignal): Promise<TestCounts> {
  const folder = await mkdtemp(join(tmpdir(), 'stevedore-test-'))
  try {
    const reportFile = join(folder, 'report.json')
    const exit = await runVitest(args, reportFile, stopped)
    const report = await readFile(reportFile, 'utf8').catch(() => undefined)
    if (report === undefined) {
      console.error(`\nThe test runner ended (${exit}) and left no report.`)
      return { passed: 0, failed: 1, skipped: 0 }
    }
    const counts = countTests(JSON.parse(report))
    if (counts.passed + counts.failed === 0) console.error('\nNo test ran.')
    if (exit !== 'exit code 0' && counts.failed === 0 && counts.passed > 0) {
      console.error(`\nNo test failed, but the test runner did (${exit}): its output above says why.`)
      return { ...counts, failed: 1 }
    }
    return counts
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Runs vitest to its end and says how that was. */
async function runVitest(args: string[], reportFile: string, stopped: AbortSignal): Promise<string> {
  const vitest = join(dirname(fileURLToPath(import.meta.resolve('vitest/package.json'))), 'vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  const runner = spawn(process.execPath, [vitest, 'run', ...reporters, ...args.filter((it) => it !== '--full')], {
    cwd: join(import.meta.dirname, '..'),
    env: { ...process.env, ...quietWrangler, ...(args.includes('--full') ? { STEVEDORE_TEST_FULL: '1' } : {}) },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  stopped.addEventListener('abort', () => runner.kill('SIGTERM'), { once: true })
  const [code, signal] = await once(runner, 'exit')
  return signal ? `signal ${signal}` : `exit code ${code}`
}

const counts = await main(process.argv.slice(2), abortOnStopSignals())
console.log(summaryLine(counts))
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1
