import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { fuzz } from '../multipart/fuzz.ts'

/** The binding FUZZ_COUNT sets how many bodies: 3,000 unless `npm run test:full` asks for all 200,000. */
const count = Number((env as { FUZZ_COUNT?: string }).FUZZ_COUNT || 3000)
const seed = 20_000_000

test(`${count} mutated bodies: refused by name, or read as the naive parser reads them`, async () => {
  const outcomes = await fuzz(seed, count)
  // A mutator that only ever breaks bodies, or never does, would show nothing.
  expect(outcomes.get('accepted')).toBeGreaterThan(count / 10)
  expect(outcomes.get('truncated')).toBeGreaterThan(count / 50)
  expect(outcomes.size).toBeGreaterThan(8)
  console.log(Object.fromEntries(outcomes))
}, 1_800_000)
