import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { randomFrom } from '../support/e2e/bodies.ts'
import { makeDomain, makeKey, type TestDomain } from '../support/workers/client.ts'
import { retentionDays } from './lives/chores.ts'
import type { Life } from './lives/life.ts'
import { type FaultKind, FaultPlan, faultKinds } from './outside-calls.ts'
import type { StageQueue } from './queues/stage-queue.ts'
import { StageReceiver } from './receiver.ts'
import { Stage } from './stage.ts'
import { clear, judge, readRows, recordedUploads } from './state.ts'
import { watchFetch } from './watched-fetch.ts'

/** Every point instead of a sample of them. */
const isFull = Boolean((env as unknown as Record<string, unknown>).STEVEDORE_TEST_FULL)
const seed = 20_261_122

/** What a run takes that is not full, besides every kind and every call once. */
interface Sample {
  /** The share of each life's points. */
  share: number
  /** Whether all the worst points are taken as well. */
  takesDoubtfulCommits: boolean
}

interface Point {
  index: number
  call: string
  kind: FaultKind
}

interface Count {
  points: number
  held: number
}

const place = (life: Life, kind: FaultKind) => `${life.name}\n${kind}`

/**
 * Declares the tests that live each of these lives with this queue: once as it is, to count its calls, and then once for
 * each point. A point is one call with one kind of fault at it. Prints the table of points and of those that held.
 */
export function sweepFaults(title: string, queue: StageQueue, lives: readonly Life[], sample: Sample): void {
  const tally = new Map<string, Count>()
  const receiver = new StageReceiver()
  let domain: TestDomain
  let key: string

  beforeAll(async () => {
    // Every failed request is logged, as it should be: hundreds of them hide the table.
    for (const method of ['error', 'warn'] as const) vi.spyOn(console, method).mockImplementation(() => {})
    domain = await makeDomain({
      anonymousUpload: false,
      publicRead: false,
      retentionDays,
      callbackHosts: ['receiver.example'],
    })
    key = (await makeKey(domain, ['upload', 'read', 'delete', 'manage'])).key
    watchFetch(queue.fetched ? [queue.fetched, receiver] : [receiver])
  })

  afterAll(() => console.log(table(title, lives, sample, tally)))

  describe(`${title}: whatever fails at one call of a life, its end is right`, () => {
    const choose = chooser(sample)
    test.each(lives.map((life) => [life.name, life] as const))('%s', { timeout: 3_600_000 }, async (_name, life) => {
      const open = () => Stage.open(domain, key, queue, receiver)
      const clean = await live(life, await open(), new FaultPlan())
      expect(clean.wrong).toEqual([])
      expect(clean.calls).toEqual(expect.arrayContaining(life.about ? [life.about] : []))
      const wrong: Record<string, string[]> = {}
      for (const { index, call, kind } of choose(clean.calls)) {
        const plan = new FaultPlan((at) => (at === index ? kind : null))
        const stage = await open()
        const end = await live(life, stage, plan).catch((error) => ({ struck: plan.struck, wrong: [String(error)] }))
        if (end.struck === null) end.wrong.push('the life did not come to this call')
        const count = tally.get(place(life, kind)) ?? { points: 0, held: 0 }
        tally.set(place(life, kind), count)
        count.points++
        if (end.wrong.length === 0) count.held++
        else wrong[`${kind} at call ${index}, ${end.struck ?? call}`] = end.wrong
      }
      expect(wrong).toEqual({})
    })
  })
}

/** Lives a life once, and lets time pass until all has come to rest. */
async function live(
  life: Life,
  stage: Stage,
  plan: FaultPlan,
): Promise<{ calls: string[]; struck: string | null; wrong: string[] }> {
  await clear()
  stage.receiver.clear()
  await life.prepare?.(stage)
  stage.rows = await readRows()
  stage.plan = plan
  await life.run(stage)
  const calls = [...plan.names]
  stage.plan = new FaultPlan()
  // A late one is made only afterwards, and is recorded even less.
  const before = await recordedUploads()
  await life.after?.(stage)
  const early = await stage.recover(plan.struck === null)
  await life.settled?.(stage)
  const { state, wrong } = await judge(stage.domain, stage.ledger, plan.struck === null ? null : before)
  return { calls, struck: plan.struck, wrong: [...stage.wrong, ...early, ...wrong, ...life.judge(stage, state)] }
}

/** The worst of moments: a claim or a commit of which nobody knows whether it will have happened. */
const isDoubtfulCommit = ({ call, kind }: Point) =>
  call.startsWith('D1 update domain_accounts') && (kind === 'late' || kind === 'outage after')

/**
 * Chooses the points of one life after the other: all of them, or a seeded sample, with so many more that every kind and
 * every call is among those of all lives.
 */
function chooser({ share, takesDoubtfulCommits }: Sample): (calls: readonly string[]) => Point[] {
  const random = randomFrom(seed)
  const kinds = new Set<FaultKind>()
  const names = new Set<string>()
  return (calls) => {
    const points = calls.flatMap((call, index) => faultKinds.map((kind): Point => ({ index, call, kind })))
    if (isFull) return points
    const shuffled = points.map((point) => ({ point, at: random() })).sort((a, b) => a.at - b.at)
    const mostPoints = Math.ceil(points.length * share)
    const chosen: Point[] = []
    for (const { point } of shuffled) {
      const isNew = !kinds.has(point.kind) || !names.has(point.call)
      const isWorst = takesDoubtfulCommits && isDoubtfulCommit(point)
      if (chosen.length >= mostPoints && !isNew && !isWorst) continue
      kinds.add(point.kind)
      names.add(point.call)
      chosen.push(point)
    }
    return chosen
  }
}

function table(title: string, lives: readonly Life[], { share }: Sample, tally: ReadonlyMap<string, Count>): string {
  const width = Math.max(...lives.map((life) => life.name.length)) + 2
  const cells = (life: Life) =>
    faultKinds.map((kind) => {
      const { points, held } = tally.get(place(life, kind)) ?? { points: 0, held: 0 }
      return `${held}/${points}`.padStart(15)
    })
  const all = [...tally.values()]
  const sum = (of: (count: Count) => number) => all.reduce((total, count) => total + of(count), 0)
  return [
    `Fault sweep, ${title}, ${isFull ? 'every point' : `${share * 100} % of the points, seed ${seed}`}: held/points`,
    `${''.padEnd(width)}${faultKinds.map((kind) => kind.padStart(15)).join('')}`,
    ...lives.map((life) => `${life.name.padEnd(width)}${cells(life).join('')}`),
    `${sum((count) => count.held)} of ${sum((count) => count.points)} points held.`,
  ].join('\n')
}
