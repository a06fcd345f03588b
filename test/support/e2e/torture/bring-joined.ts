import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { bring, create } from './bring.ts'
import { named, offsetOf, tus, tusPartial } from './dialects.ts'
import { expectPassing, isGone, type TornNetwork } from './torn-network.ts'

/** A file may be joined by somebody who was never heard of: of what was asked for in vain, all answers count as lost. */
interface Finals {
  paths: string[]
  areAllKnown: boolean
}

/**
 * Brings a file in pieces, all at once, and has them joined: now and then before they are there, and now and then by two
 * clients that race. Gives the path of the file; null when it was joined by a request whose answer was lost, and so is
 * there, and nobody knows its address.
 */
export async function bringJoined(
  network: TornNetwork,
  { name, bytes }: { name: string; bytes: Buffer },
): Promise<string | null> {
  const { chance } = network
  const pieces = split(bytes, 2 + chance.below(3), network)
  const paths = await Promise.all(pieces.map((piece) => create(network, tusPartial, { name, bytes: piece.length })))
  const isEarly = chance.happens(0.3)
  const early = isEarly ? await join(network, name, paths) : null
  await Promise.all(
    pieces.map((piece, index) =>
      bring(network, tusPartial, { path: paths[index] as string, bytes: piece, mayGo: isEarly }),
    ),
  )
  return untilJoined(network, early ?? (await join(network, name, paths)), bytes.length)
}

/** Asks for the file until somebody is told where it is, or that its pieces are gone. */
async function join(network: TornNetwork, name: string, pieces: readonly string[]): Promise<Finals> {
  const headers = { ...named(name), 'upload-concat': `final;${pieces.join(' ')}` }
  const finals: Finals = { paths: [], areAllKnown: true }
  for (;;) {
    const racers = Array.from({ length: network.chance.happens(0.2) ? 2 : 1 }, () =>
      network.send('POST', tus.path, headers),
    )
    const answers = await Promise.all(racers)
    for (const answer of answers) {
      if (answer?.status === 201) finals.paths.push(new URL(String(answer.headers.location)).pathname)
      else if (isGone(answer)) expect(finals.areAllKnown && answers.length === 1).toBe(false)
      else {
        expectPassing(answer)
        finals.areAllKnown = false
      }
    }
    if (finals.paths.length > 0 || answers.some(isGone)) return finals
  }
}

/** Waits for the one final upload that has got the pieces. The others end. */
async function untilJoined(network: TornNetwork, finals: Finals, bytes: number): Promise<string | null> {
  for (let waiting = finals.paths; waiting.length > 0; ) {
    const [path, ...others] = waiting as [string, ...string[]]
    const told = await network.send('HEAD', path, tus.head())
    if (isGone(told)) waiting = others
    else {
      waiting = [...others, path]
      if (told?.status !== tus.headOk) expectPassing(told)
      else if (told.headers['upload-offset'] !== undefined) {
        expect(offsetOf(told)).toBe(bytes)
        return path
      }
      // Each HEAD interrupts the joining, which keeps what it has: let it come to something.
      await sleep(network.chance.below(500))
    }
  }
  expect(finals.areAllKnown).toBe(false)
  return null
}

function split(bytes: Buffer, pieces: number, { chance }: TornNetwork): Buffer[] {
  const cuts = Array.from({ length: pieces - 1 }, () => chance.below(bytes.length + 1)).sort((a, b) => a - b)
  return [0, ...cuts].map((from, index) => bytes.subarray(from, cuts[index] ?? bytes.length))
}
