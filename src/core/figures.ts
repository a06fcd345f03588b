import { calledParts, type WorkRecord } from './work-record.ts'

/** A metric as Prometheus knows it. Its labels have few values each: none is a domain, an upload or a client's text. */
export interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Of a histogram: the upper bounds of its buckets, without the last one, which has none. */
  readonly bounds?: readonly number[]
  /** Series that are shown from the start, at zero: where one begins with 1, nobody sees its first increase. */
  readonly known?: readonly (readonly string[])[]
}

/** Seconds, for what a client waits for. */
const waits = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** Seconds, for what nobody waits for. */
const works = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900]

/** What is counted of the work that was done, in the order in which it is shown. */
export const counted = {
  stevedore_http_requests_total: {
    type: 'counter',
    help: 'Requests that were answered, by the pattern of their route.',
    labels: ['method', 'route', 'status'],
  },
  stevedore_http_request_duration_seconds: {
    type: 'histogram',
    help: 'From a request to the head of its answer.',
    labels: ['method', 'route'],
    bounds: waits,
  },
  stevedore_http_received_bytes_total: {
    type: 'counter',
    help: 'Bytes of request bodies that were read.',
    labels: [],
    known: [[]],
  },
  stevedore_problems_total: {
    type: 'counter',
    help: 'Requests that were refused or failed, by the code of their problem.',
    labels: ['code'],
    known: [['busy'], ['internal'], ['unavailable']],
  },
  stevedore_jobs_total: {
    type: 'counter',
    help: 'Jobs that were run, by what they came to.',
    labels: ['kind', 'outcome'],
    known: [
      ...['complete', 'failed', 'quarantined', 'retry', 'not-run'].map((outcome) => ['process', outcome]),
      ...['delivered', 'failed', 'refused', 'retry', 'not-run'].map((outcome) => ['deliver', outcome]),
    ],
  },
  stevedore_job_duration_seconds: {
    type: 'histogram',
    help: 'How long jobs have taken.',
    labels: ['kind'],
    bounds: works,
  },
  stevedore_steps_total: {
    type: 'counter',
    help: 'Steps that were run, by what they came to.',
    labels: ['step', 'outcome'],
  },
  stevedore_step_duration_seconds: {
    type: 'histogram',
    help: 'How long steps have taken.',
    labels: ['step'],
    bounds: works,
  },
  stevedore_session_calls_total: {
    type: 'counter',
    help: 'Calls of the sessions of resumable uploads.',
    labels: ['call', 'outcome'],
  },
  stevedore_sweeps_total: {
    type: 'counter',
    help: 'Runs of the reconciler by its schedule.',
    labels: [],
    known: [[]],
  },
  stevedore_calls_total: {
    type: 'counter',
    help: 'Calls to R2, D1, the queue of jobs, and servers outside.',
    labels: ['part'],
    known: calledParts.map((part) => [part]),
  },
  stevedore_call_failures_total: {
    type: 'counter',
    help: 'Calls whose part did not do its work.',
    labels: ['part'],
    known: calledParts.map((part) => [part]),
  },
  stevedore_call_seconds_total: {
    type: 'counter',
    help: 'How long was waited for these calls.',
    labels: ['part'],
    known: calledParts.map((part) => [part]),
  },
} as const satisfies Record<string, Family>

export type CountedName = keyof typeof counted

/**
 * Counts by metric and labels. Of a counter there is one number; of a histogram the count of each bucket by itself, from
 * the lowest on, then the sum of all that was observed.
 */
export type Tally = Map<string, number[]>

/** Which metric a key is for, and with what labels. No label has a tab in it. */
const separator = '\t'

export function splitKey(key: string): { name: string; labels: string[] } {
  const [name = '', ...labels] = key.split(separator)
  return { name, labels }
}

/** How many numbers there are for each key of a metric. */
export function widthOf(family: Family): number {
  return family.bounds ? family.bounds.length + 2 : 1
}

/** Adds what one tally has counted to another. What does not fit begins anew: another version counted otherwise. */
export function addTally(into: Tally, from: Tally): void {
  for (const [key, more] of from) {
    const numbers = into.get(key)
    const fits = numbers?.length === more.length
    into.set(key, fits ? numbers.map((number, index) => number + (more[index] ?? 0)) : [...more])
  }
}

/** Counts a piece of work that has ended. */
export function countWork(tally: Tally, { work, notes, durationMs, calls }: WorkRecord): void {
  const seconds = durationMs / 1000
  switch (work) {
    case 'request': {
      const { method = '', route = 'none', status = 0, bytesIn = 0, code } = notes
      const verb = methods.has(method) ? method : 'other'
      add(tally, 'stevedore_http_requests_total', [verb, route, String(status)], 1)
      observe(tally, 'stevedore_http_request_duration_seconds', [verb, route], seconds)
      if (bytesIn > 0) add(tally, 'stevedore_http_received_bytes_total', [], bytesIn)
      if (code !== undefined) add(tally, 'stevedore_problems_total', [code], 1)
      break
    }
    case 'job': {
      const { kind = '', outcome = '', steps = [] } = notes
      add(tally, 'stevedore_jobs_total', [kind, outcome], 1)
      observe(tally, 'stevedore_job_duration_seconds', [kind], seconds)
      for (const { step, outcome, ms } of steps) {
        add(tally, 'stevedore_steps_total', [step, outcome], 1)
        observe(tally, 'stevedore_step_duration_seconds', [step], ms / 1000)
      }
      break
    }
    case 'session':
      add(tally, 'stevedore_session_calls_total', [notes.kind ?? '', notes.outcome ?? ''], 1)
      break
    case 'sweep':
      add(tally, 'stevedore_sweeps_total', [], 1)
  }
  for (const part of calledParts) {
    const { count, failures, ms } = calls[part]
    if (count === 0) continue
    add(tally, 'stevedore_calls_total', [part], count)
    add(tally, 'stevedore_call_seconds_total', [part], ms / 1000)
    if (failures > 0) add(tally, 'stevedore_call_failures_total', [part], failures)
  }
}

/** A method is a client's text: any other than these would be a label that anybody can make. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

function add(tally: Tally, name: CountedName, labels: readonly string[], amount: number): void {
  const key = [name, ...labels].join(separator)
  const numbers = tally.get(key)
  if (numbers) increase(numbers, 0, amount)
  else tally.set(key, [amount])
}

function observe(tally: Tally, name: CountedName, labels: readonly string[], value: number): void {
  const family: Family = counted[name]
  const bounds = family.bounds ?? []
  const key = [name, ...labels].join(separator)
  let numbers = tally.get(key)
  if (!numbers) {
    numbers = new Array<number>(widthOf(family)).fill(0)
    tally.set(key, numbers)
  }
  const bucket = bounds.findIndex((bound) => value <= bound)
  increase(numbers, bucket === -1 ? bounds.length : bucket, 1)
  increase(numbers, numbers.length - 1, value)
}

function increase(numbers: number[], index: number, by: number): void {
  numbers[index] = (numbers[index] ?? 0) + by
}
