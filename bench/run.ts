import { parseArgs } from 'node:util'
import { Client } from './client/client.ts'
import { buffers } from './measures/buffers.ts'
import { bundle } from './measures/bundle.ts'
import { calls } from './measures/calls.ts'
import { jobs } from './measures/jobs.ts'
import { live } from './measures/live.ts'
import type { Measure } from './measures/measure.ts'
import { memory } from './measures/memory.ts'
import { overlap } from './measures/overlap.ts'
import { parse } from './measures/parse.ts'
import { parsers } from './measures/parsers.ts'
import { resumable } from './measures/resumable/resumable.ts'
import { small } from './measures/small.ts'
import { store } from './measures/store.ts'
import { webhooks } from './measures/webhooks.ts'
import { keepResult, resultNow } from './report/results.ts'
import type { Row } from './report/row.ts'
import { formatTable } from './report/table.ts'

const measures = new Map<string, Measure>(
  Object.entries({
    ...{ parse, parsers, store, overlap, memory, buffers },
    ...{ resumable, small, jobs, calls, live, webhooks, bundle },
  }),
)

/** `npm run bench`: all measures, or those that are named. What they give is kept in `results.json` and the README. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false } },
  })
  const unknown = positionals.filter((name) => !measures.has(name))
  if (unknown.length > 0) {
    console.error(`There is no measure ${unknown.join(', ')}. There are: ${[...measures.keys()].join(', ')}`)
    process.exitCode = 2
    return
  }
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  const client = new Client()
  const rows: Row[] = []
  try {
    for (const [name, measure] of measures) {
      if (positionals.length > 0 && !positionals.includes(name)) continue
      const say = (text: string) => console.error(`${seconds().toFixed(0).padStart(4)} s  ${name}: ${text}`)
      say('begins')
      const began = seconds()
      const found = await measure({ client, quick: values.quick, say })
      rows.push(...found)
      if (!values.quick) await keepResult(name, resultNow(seconds() - began, found), [...measures.keys()])
    }
  } finally {
    client.stop()
  }
  console.log(formatTable(rows))
  if (values.quick) console.log('\nA smoke run with small bodies: its figures mean nothing, and nothing is kept.')
  else if (rows.some(({ met }) => met === false)) console.log('\nNot all targets are met.')
}

await main()
