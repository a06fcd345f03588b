import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import type { Row } from './row.ts'
import { formatColumns, formatTable } from './table.ts'

const folder = join(import.meta.dirname, '..')
const resultsFile = join(folder, 'results.json')
const readmeFile = join(folder, 'README.md')
const [begin, end] = ['<!-- figures: begin -->', '<!-- figures: end -->'] as const

/** What one measure gave, and under which load: others may have used the machine at the same time. */
export interface Result {
  measuredAt: string
  /** Of the code, with a `+` where something was not committed. */
  commit: string
  seconds: number
  machine: string
  /** Processes that ran or wanted to, in the last minute, at the end. */
  load: number
  rows: readonly Row[]
}

export function resultNow(seconds: number, rows: readonly Row[]): Result {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() || process.arch}, Node ${process.version}`
  const [load = 0] = loadavg()
  return {
    measuredAt: new Date().toISOString(),
    commit: commitNow(),
    seconds: Math.round(seconds),
    machine,
    load,
    rows,
  }
}

function commitNow(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8' }).trim()
  try {
    // What the bench itself writes changes nothing that is measured.
    const changed = git('status', '--porcelain', '--', '..', ':!results.json', ':!README.md')
    return git('rev-parse', '--short', 'HEAD') + (changed === '' ? '' : '+')
  } catch {
    return 'unknown'
  }
}

/**
 * Keeps what one measure gave: in `results.json`, where it replaces what the same measure gave before, and in the table
 * of the README. `order` is all measures, as they stand in the table.
 */
export async function keepResult(name: string, result: Result, order: readonly string[]): Promise<void> {
  const kept: Record<string, Result> = await readFile(resultsFile, 'utf8').then(JSON.parse, () => ({}))
  const results = new Map(Object.entries({ ...kept, [name]: result }))
  const inOrder = order.flatMap((each) => {
    const found = results.get(each)
    return found ? [[each, found] as const] : []
  })
  await writeFile(resultsFile, `${JSON.stringify(Object.fromEntries(inOrder), null, 2)}\n`)

  const table = formatTable(inOrder.flatMap(([, { rows }]) => rows))
  const note = `Measured on ${result.machine}:\n\n${formatColumns(
    ['Measure', 'Until (UTC)', 'At commit', 'Minutes', 'Load average'],
    inOrder.map(([measure, { measuredAt, commit, seconds, load }]) => [
      measure,
      measuredAt.slice(0, 16).replace('T', ' '),
      commit,
      (seconds / 60).toFixed(1),
      load.toFixed(1),
    ]),
  )}`
  const text = await readFile(readmeFile, 'utf8')
  const before = text.slice(0, text.indexOf(begin) + begin.length)
  const after = text.slice(text.indexOf(end))
  await writeFile(readmeFile, `${before}\n${table}\n\n${note}\n${after}`)
}
