import { type EventWatchers, watchEvents } from '../client/event-watchers.ts'
import { comparison, milliseconds } from '../report/row.ts'
import { administer, application, asAdministrator, hostOf, openDomain } from '../runtime/application.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import type { Measure } from './measure.ts'
import { inRounds } from './rounds.ts'

const few = 10
const more = [100, 1_000]

/** From a deletion's request to the last of a domain's watchers who sees it, with ten of them and with more. */
export const live: Measure = async ({ quick, say }) => {
  const runtime = await startRuntime([application()])
  const watchers: EventWatchers[] = []
  try {
    const contenders: Record<string, () => Promise<number>> = {}
    for (const count of [few, ...more]) {
      const slug = `watched-${count}`
      await openDomain(runtime, 'app', slug)
      const own = await watchEvents(streamOf(runtime, slug), count)
      watchers.push(own)
      contenders[count] = async () => {
        const host = hostOf(slug)
        const sent = await administer(runtime, 'app', {
          method: 'PUT',
          host,
          path: '/v1/uploads/file.bin',
          body: 'abc',
        })
        const seen = own.allSaw('"upload.deleted"')
        const sentAt = performance.now()
        await administer(runtime, 'app', { method: 'DELETE', host, path: `/v1/uploads/${JSON.parse(sent).id}` })
        return (await seen) - sentAt
      }
    }
    await inRounds(2, contenders)
    const values = await inRounds(quick ? 1 : 15, contenders)
    const of = (count: number) => values[count] ?? []
    for (const count of [few, ...more]) say(`${count} watchers: ${of(count).map(Math.round).join(' ')} ms`)
    return more.map((count) =>
      comparison(`event to the last of ${count} watchers`, {
        ours: of(count),
        other: of(few),
        format: milliseconds,
        against: `with ${few}`,
        target: null,
      }),
    )
  } finally {
    for (const own of watchers) own.close()
    await runtime.stop()
  }
}

function streamOf(runtime: Runtime, slug: string) {
  return { port: runtime.port('app'), host: hostOf(slug), path: '/v1/events', headers: asAdministrator }
}
