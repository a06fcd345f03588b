import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { KeptServer } from '../support/e2e/kept-server.ts'
import { bring, create } from '../support/e2e/torture/bring.ts'
import { bringJoined } from '../support/e2e/torture/bring-joined.ts'
import { Chance } from '../support/e2e/torture/chance.ts'
import { draft, tus } from '../support/e2e/torture/dialects.ts'
import { TornNetwork } from '../support/e2e/torture/torn-network.ts'
import { mebibyte } from '../support/sizes.ts'

const isFull = process.env.STEVEDORE_TEST_FULL === '1'
// A tenth of the full run takes four minutes: more than a test may in every run.
const uploads = isFull ? 500 : 8
const kills = isFull ? 30 : 1
const clients = isFull ? 8 : 4
const largest = (isFull ? 64 : 8) * mebibyte
/** More than an answer waits for while it is joined. */
const joinedByAlarm = 65 * mebibyte
const seed = Number(process.env.STEVEDORE_TEST_SEED || Date.now() % 100_000)
const chance = new Chance(seed)

let server: KeptServer

afterAll(() => server?.remove())

it(`brings ${uploads} uploads through cuts, races and ${kills} kills (seed ${seed})`, {
  timeout: 240_000 + uploads * 10_000 + kills * 60_000,
}, async () => {
  server = await KeptServer.on('torture')
  await server.start()
  const network = new TornNetwork(server, chance)
  /** What each file has to be in the end, by its name; and its path, where its client was told. */
  const digests = new Map<string, string>()
  const known = new Map<string, string>()

  let begun = 0
  const client = async () => {
    for (let number = begun++; number < uploads; number = begun++) {
      const name = `${number}.bin`
      const bytes = noise(sizeOf(number), number + 1)
      digests.set(name, sha256(bytes))
      const path = await bringAs(kindOf(number), network, { name, bytes })
      if (path !== null) known.set(name, path)
    }
  }
  const torture = new AbortController()
  const killing = killNowAndThen(torture.signal)
  try {
    await Promise.all(Array.from({ length: clients }, client))
  } finally {
    torture.abort()
    await killing
  }

  await eventually(async () => {
    server.bringTimeForward()
    await server.runSchedule()
    expect(server.filesWhere(`status IN ('pending', 'processing')`)).toEqual([])
    const complete = server.filesWhere(`status = 'complete'`).map(({ filename }) => filename)
    expect([...new Set(complete)].sort()).toEqual([...digests.keys()].sort())
  }, 300_000)
  for (const { id, filename } of server.filesWhere(`status = 'complete'`)) {
    expect(sha256((await server.call('GET', `/v1/uploads/${id}/content`)).body)).toBe(digests.get(filename))
  }
  await server.stop()

  // Creations whose answer was lost in a kill: nobody goes on with them, and a day later it is only known that they were.
  await server.letPass(30)
  expect(server.filesWhere(`status = 'deleted' AND filename <> ''`)).toEqual([])
  const files = server.filesWhere(`status <> 'deleted'`)
  expect(files.filter(({ status }) => status !== 'complete')).toEqual([])
  for (const [name, path] of known) {
    expect(files).toContainEqual(expect.objectContaining({ id: path.split('/').at(-1), filename: name }))
  }
  // A file whose pieces are joined by a request whose answer was lost is there all the same, and only once.
  expect(files.map(({ filename }) => filename).sort()).toEqual([...digests.keys()].sort())
  expect(server.account()).toEqual({
    stored_files: files.length,
    stored_bytes: files.reduce((sum, { size }) => sum + size, 0),
  })
  expect(server.objectKeys()).toEqual(files.map(({ object_key }) => object_key).sort())
  const open = server.r2.multiparts('').filter(({ state, parts }) => state === 'open' && parts > 0)
  expect(open).toEqual([])
})

type Kind = 'tus' | 'draft' | 'joined'

/** Half of them are plain uploads by tus; the draft and files in pieces have a quarter each. */
function kindOf(number: number): Kind {
  return (['joined', 'tus', 'draft', 'tus'] as const)[number % 4] as Kind
}

/**
 * Mostly small ones, and one without a byte by each protocol. The first of a full run is one that is joined by the alarm,
 * and some later ones are.
 */
function sizeOf(number: number): number {
  if (isFull && number === 0) return joinedByAlarm
  if (number === 1 || number === 2) return 0
  if (!chance.happens(0.15)) return chance.below(300_000)
  return chance.below(kindOf(number) === 'joined' ? 2 * largest : largest)
}

/** Brings one file, whatever happens to its connections and its server. Gives back its path, if somebody knows it. */
async function bringAs(
  kind: Kind,
  network: TornNetwork,
  { name, bytes }: { name: string; bytes: Buffer },
): Promise<string | null> {
  if (kind === 'joined') return bringJoined(network, { name, bytes })
  const dialect = kind === 'tus' ? tus : draft
  const path = await create(network, dialect, { name, bytes: bytes.length })
  await bring(network, dialect, { path, bytes })
  return path
}

async function killNowAndThen(signal: AbortSignal): Promise<void> {
  for (let killed = 0; killed < kills && !signal.aborted; killed++) {
    // The moment is what is tested.
    await sleep(500 + chance.below(2500), undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    await server.kill()
    await server.start()
  }
}
