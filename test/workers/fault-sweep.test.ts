import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Life, lives } from '../fault/lives.ts'
import { type FaultKind, FaultPlan, faultKinds } from '../fault/outside-calls.ts'
import { Stage } from '../fault/stage.ts'
import { clear, judge, readRows, recordedUploads } from '../fault/state.ts'
import { randomFrom } from '../support/e2e/bodies.ts'
import { makeDomain, makeKey, type TestDomain } from '../support/workers/client.ts'

/** Every point instead of a tenth of them. */
const isFull = Boolean((env as unknown as Record<string, unknown>).STEVEDORE_TEST_FULL)
const share = 0.1
const seed = 20_261_122

interface Point {
  index: number
  call: string
  kind: FaultKind
}

let domain: TestDomain
let key: string
const tally = new Map<string, { points: number; held: number }>()
const place = (life: Life, kind: FaultKind) => `${life.name}\n${kind}`

beforeAll(async () => {
  // Every failed request is logged, as it should be: hundreds of them hide the table.
  vi.spyOn(console, 'error').mockImplementation(() => {})
  domain = await makeDomain({ anonymousUpload: false, publicRead: false })
  key = (await makeKey(domain, ['upload', 'read', 'delete', 'manage'])).key
})

afterAll(() => console.log(table()))

describe('whatever fails at one call of a life, its end is right', () => {
  const random = randomFrom(seed)
  test.each(lives.map((life) => [life.name, life] as const))('%s', { timeout: 3_600_000 }, async (_name, life) => {
    const clean = await live(life, new FaultPlan())
    expect(clean.wrong).toEqual([])
    const wrong: Record<string, string[]> = {}
    for (const { index, call, kind } of choose(clean.calls, random)) {
      const plan = new FaultPlan((at) => (at === index ? kind : null))
      const end = await live(life, plan).catch((error) => ({ struck: plan.struck, wrong: [String(error)] }))
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

/** Lives a life once, and lets time pass until all has come to rest. */
async function live(life: Life, plan: FaultPlan): Promise<{ calls: string[]; struck: string | null; wrong: string[] }> {
  await clear()
  const stage = new Stage(domain, key)
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
  const { state, wrong } = await judge(domain, stage.ledger, plan.struck === null ? null : before)
  return { calls, struck: plan.struck, wrong: [...early, ...wrong, ...life.judge(stage, state)] }
}

/** The worst of moments: a claim or a commit of which nobody knows whether it will have happened. */
const isDoubtfulCommit = ({ call, kind }: Point) =>
  call.startsWith('D1 update domain_accounts') && (kind === 'late' || kind === 'outage after')

/** All points of a life, or a seeded tenth of them with every kind and every call in it, and the worst of all. */
function choose(calls: readonly string[], random: () => number): Point[] {
  const points = calls.flatMap((call, index) => faultKinds.map((kind): Point => ({ index, call, kind })))
  if (isFull) return points
  const shuffled = points.map((point) => ({ point, at: random() })).sort((a, b) => a.at - b.at)
  const kinds = new Set<FaultKind>()
  const names = new Set<string>()
  const mostPoints = Math.ceil(points.length * share)
  const chosen: Point[] = []
  for (const { point } of shuffled) {
    if (!isDoubtfulCommit(point) && chosen.length >= mostPoints && kinds.has(point.kind) && names.has(point.call))
      continue
    kinds.add(point.kind)
    names.add(point.call)
    chosen.push(point)
  }
  return chosen
}

function table(): string {
  const width = Math.max(...lives.map((life) => life.name.length)) + 2
  const cells = (life: Life) =>
    faultKinds.map((kind) => {
      const { points, held } = tally.get(place(life, kind)) ?? { points: 0, held: 0 }
      return `${held}/${points}`.padStart(15)
    })
  const all = [...tally.values()]
  const sum = (of: (count: { points: number; held: number }) => number) =>
    all.reduce((total, count) => total + of(count), 0)
  return [
    `Fault sweep, ${isFull ? 'every point' : `a tenth of the points, seed ${seed}`}: held/points`,
    `${''.padEnd(width)}${faultKinds.map((kind) => kind.padStart(15)).join('')}`,
    ...lives.map((life) => `${life.name.padEnd(width)}${cells(life).join('')}`),
    `${sum((count) => count.held)} of ${sum((count) => count.points)} points held.`,
  ].join('\n')
}
