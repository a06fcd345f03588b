import type { Reporter, TestModule, TestSpecification } from 'vitest/node'
import { countTests, type TestCounts } from './test-summary.ts'

/** What the runner says of a run, in the order in which it happens. A file is named by its absolute path. */
export type TestProgress =
  | { is: 'run started'; files: string[] }
  | { is: 'file running'; file: string; test?: string }
  | { is: 'file ended'; file: string; counts: TestCounts }
  | { is: 'run ended' }

/** A reporter of vitest that tells the process which started the runner how far it is. */
export default class TestProgressReporter implements Reporter {
  onTestRunStart(specifications: readonly TestSpecification[]): void {
    say({ is: 'run started', files: specifications.map(({ moduleId }) => moduleId) })
  }

  onTestModuleQueued({ moduleId }: TestModule): void {
    say({ is: 'file running', file: moduleId })
  }

  onTestCaseReady({ module, fullName }: { module: TestModule; fullName: string }): void {
    say({ is: 'file running', file: module.moduleId, test: fullName })
  }

  onTestCaseResult({ module }: { module: TestModule }): void {
    say({ is: 'file running', file: module.moduleId })
  }

  onTestModuleEnd(module: TestModule): void {
    const states = [...module.children.allTests()].map((test) => test.result().state)
    say({ is: 'file ended', file: module.moduleId, counts: countTests(states, module.state() === 'failed') })
  }

  onTestRunEnd(): void {
    say({ is: 'run ended' })
  }
}

function say(progress: TestProgress): void {
  process.send?.(progress)
}
