import { tellOrNothing } from '../bytes/byte-view.ts'
import type { BoundedBytes } from '../bytes/object-bytes.ts'
import type { MediaFacts } from '../inspect-facts.ts'
import type { Duration } from './duration.ts'
import { isoDuration } from './iso.ts'
import { matroskaDuration } from './matroska.ts'
import { mp3Duration } from './mp3.ts'
import { oggDuration } from './ogg.ts'
import { flacDuration, wavDuration } from './pcm.ts'

type Reader = (bytes: BoundedBytes) => Promise<Duration>

const readers = new Map<MediaFacts['container'], Reader>([
  ['mp4', isoDuration],
  ['quicktime', isoDuration],
  ['3gpp', isoDuration],
  ['wav', wavDuration],
  ['flac', flacDuration],
  ['ogg', oggDuration],
  ['mp3', mp3Duration],
  ['webm', matroskaDuration],
  ['matroska', matroskaDuration],
])

/** Which container a media type is kept in; null for one that is not looked into. */
function containerOf(type: string): MediaFacts['container'] | null {
  if (/^(audio|video)\/(mp4|x-m4[abpv])$/.test(type)) return 'mp4'
  if (/^(audio|video)\/3gpp2?$/.test(type)) return '3gpp'
  if (/^(audio|video|application)\/ogg$|^audio\/(opus|vorbis|x-speex)$/.test(type)) return 'ogg'
  if (/^(audio|video)\/webm$/.test(type)) return 'webm'
  if (/^(audio|video)\/(x-)?matroska$/.test(type)) return 'matroska'
  return others.get(type) ?? null
}

const others = new Map<string, MediaFacts['container']>([
  ['video/quicktime', 'quicktime'],
  ['audio/wav', 'wav'],
  ['audio/flac', 'flac'],
  ['audio/mpeg', 'mp3'],
])

/** The container of sound or video of this type, and how long it plays where its headers tell. */
export async function mediaFacts(type: string, bytes: BoundedBytes): Promise<MediaFacts | undefined> {
  const container = containerOf(type)
  const read = container && readers.get(container)
  if (!read) return undefined
  const duration = await tellOrNothing(() => read(bytes))
  if (!duration || !Number.isFinite(duration.seconds) || duration.seconds < 0) return { container }
  const durationSeconds = Math.round(duration.seconds * 1000) / 1000
  return { container, durationSeconds, ...(duration.isEstimated ? { durationIsEstimated: true } : {}) }
}
