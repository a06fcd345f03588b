import { setTimeout as sleep } from 'node:timers/promises'
import { type HookReceiver, receiveHooks } from '../client/hook-receiver.ts'
import { comparison, milliseconds } from '../report/row.ts'
import { administer, apexHost, application, hostOf, openDomain } from '../runtime/application.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import type { Measure } from './measure.ts'
import { inRounds } from './rounds.ts'

const few = 10
const more = [100, 1_000]

/** As many as a domain may have. */
const endpointsPerDomain = 20

/** From a deletion's request to the last of the endpoints that is told of it, with ten of them and with more. */
export const webhooks: Measure = async ({ quick, say }) => {
  const whole = application()
  const runtime = await startRuntime([
    // Only in development may a receiver be on this machine.
    { ...whole, vars: { ...whole.vars, MODE: 'development' }, isConsumer: true },
  ])
  const receiver = await receiveHooks()
  try {
    const contenders: Record<string, () => Promise<number>> = {}
    for (const count of [few, ...more]) {
      const slugs = await openTellingDomains(runtime, receiver, count)
      contenders[count] = async () => {
        const files = await Promise.all(slugs.map((slug) => completeUpload(runtime, slug)))
        const told = receiver.gets(count)
        const began = performance.now()
        await Promise.all(files.map((file) => ask(runtime, 'DELETE', file)))
        return (await told) - began
      }
    }
    await inRounds(1, contenders)
    const values = await inRounds(quick ? 1 : 7, contenders)
    const of = (count: number) => values[count] ?? []
    for (const count of [few, ...more]) say(`${count} endpoints: ${of(count).map(Math.round).join(' ')} ms`)
    return more.map((count) =>
      comparison(`event to the last of ${count} webhook endpoints`, {
        ours: of(count),
        other: of(few),
        format: milliseconds,
        against: `with ${few}`,
        target: null,
      }),
    )
  } finally {
    receiver.close()
    await runtime.stop()
  }
}

/** Makes as many domains as so many endpoints need, which are told of deletions alone. */
async function openTellingDomains(runtime: Runtime, receiver: HookReceiver, count: number): Promise<string[]> {
  const slugs: string[] = []
  for (let left = count; left > 0; left -= endpointsPerDomain) {
    const slug = `telling-${count}-${slugs.length}`
    slugs.push(slug)
    await openDomain(runtime, 'app', slug)
    const body = JSON.stringify({ url: receiver.url, events: ['upload.deleted'] })
    for (let made = 0; made < Math.min(left, endpointsPerDomain); made++) {
      await administer(runtime, 'app', {
        method: 'POST',
        host: apexHost,
        path: `/v1/domains/${slug}/webhooks`,
        body,
      })
    }
  }
  return slugs
}

interface File {
  host: string
  path: string
}

const ask = (runtime: Runtime, method: string, { host, path }: File) =>
  administer(runtime, 'app', { method, host, path })

/** A file whose processing is over, so that nothing but its deletion is going on. */
async function completeUpload(runtime: Runtime, slug: string): Promise<File> {
  const host = hostOf(slug)
  const sent = await administer(runtime, 'app', { method: 'PUT', host, path: '/v1/uploads/file.bin', body: 'abc' })
  const file = { host, path: `/v1/uploads/${JSON.parse(sent).id}` }
  while (JSON.parse(await ask(runtime, 'GET', file)).status !== 'complete') await sleep(100)
  return file
}
