import { expect } from 'vitest'
import { type Dialect, offsetOf } from './dialects.ts'
import { expectPassing, isGone, type TornNetwork } from './torn-network.ts'

/** Creates an upload, as often as it takes to hear of it, and gives its path. */
export async function create(
  network: TornNetwork,
  dialect: Dialect,
  { name, bytes }: { name: string; bytes: number },
): Promise<string> {
  for (;;) {
    const created = await network.send('POST', dialect.path, dialect.create(name, bytes))
    if (created?.status === 201) return new URL(String(created.headers.location)).pathname
    expectPassing(created)
  }
}

/**
 * Brings all bytes of an upload, whatever happens to its connections and its server, now and then as two clients that
 * race, each as far as it likes. Holds every offset against what was kept and what was sent. With `mayGo`, who is told that there is no such
 * upload is done: it was complete, and has been joined to its file since.
 */
export async function bring(
  network: TornNetwork,
  dialect: Dialect,
  { path, bytes, mayGo = false }: { path: string; bytes: Buffer; mayGo?: boolean },
): Promise<void> {
  const { chance } = network
  // What was said to be kept, and how far was ever sent: an offset lies between the two, always.
  let [kept, sent] = [0, 0]
  for (;;) {
    const told = await network.send('HEAD', path, dialect.head())
    if (mayGo && sent === bytes.length && isGone(told)) return
    if (told?.status !== dialect.headOk) {
      expectPassing(told)
      continue
    }
    const offset = offsetOf(told)
    expect(offset).toBeGreaterThanOrEqual(kept)
    expect(offset).toBeLessThanOrEqual(sent)
    kept = offset
    if (dialect.isComplete(told, bytes.length)) {
      expect(offset).toBe(bytes.length)
      return
    }
    const racers = Array.from({ length: chance.happens(0.2) ? 2 : 1 }, () => {
      const piece = bytes.subarray(offset, offset + 1 + chance.below(chance.happens(0.5) ? 20_000 : bytes.length))
      const end = offset + piece.length
      sent = Math.max(sent, end)
      return network.send('PATCH', path, dialect.append(offset, end === bytes.length), piece)
    })
    for (const answer of await Promise.all(racers)) {
      if (answer?.status === 204 || answer?.status === 202) kept = Math.max(kept, offsetOf(answer))
      else if (!(mayGo && sent === bytes.length && isGone(answer))) expectPassing(answer)
    }
  }
}
