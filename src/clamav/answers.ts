import type { ScannerVersion } from '../core/ports.ts'

/** What clamd has said, and whether it then closed the connection by itself: what broke off may have had more to say. */
export interface Said {
  text: string
  isWhole: boolean
}

/** An answer to `INSTREAM`. */
export type Verdict = { kind: 'clean' } | { kind: 'infected'; signature: string } | { kind: 'unclear'; reason: string }

/** What `AlertExceedsMax` has clamd "find" in what it did not look at, or not to its end. */
const limitReached = /^Heuristics\.Limits\.Exceeded/

/** Reads an answer to `zINSTREAM`. Clean is the one clear sentence, ended as it should be, and nothing else. */
export function readVerdict({ text, isWhole }: Said): Verdict {
  if (text === 'stream: OK\0' && isWhole) return { kind: 'clean' }
  const found = /^stream: ([^\0]+) FOUND\0/.exec(text)?.[1]
  if (found !== undefined && !limitReached.test(found)) return { kind: 'infected', signature: cleanSignature(found) }
  return { kind: 'unclear', reason: text === '' ? 'clamd said nothing' : `clamd said "${printable(text)}"` }
}

/** Reads an answer to `zVERSION`: `ClamAV 1.4.6/27812/Sun Nov 22 09:24:11 2026`, or without the last two. Null for none. */
export function readVersion({ text }: Said): ScannerVersion | null {
  const match = /^([^/\0]{1,100})(?:\/(\d{1,9})\/([^\0]{1,60}))?\0$/.exec(text)
  if (!match) return null
  const [, engine = '', number, date = ''] = match
  const madeAt = Date.parse(`${date} UTC`)
  const signatures =
    number === undefined ? null : { number: Number(number), madeAt: Number.isNaN(madeAt) ? null : madeAt }
  return { engine: printable(engine), signatures }
}

/** A signature's name as it may be shown: who writes signatures is not who runs this. */
function cleanSignature(name: string): string {
  return name.replaceAll(/[^\w.:/+-]+/g, '_').slice(0, 100)
}

function printable(text: string): string {
  return text
    .replaceAll('\0', '')
    .replaceAll(/[^ -~]+/g, '?')
    .slice(0, 200)
}
