import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'
import { Failure } from '../failure.ts'
import type { Production } from './configuration.ts'
import { isWorkersDev } from './configuration.ts'
import { type Flags, likelyZone, requireHost, requireSlug, requireUrl, requireZone } from './options.ts'

/** All that the setup has to know from a person. */
export interface Answers {
  host: string
  zone: string | null
  domain: string
  url: URL
}

/** Asks one question. An empty answer is the proposal. */
export type Ask = (question: string, proposal: string | undefined) => Promise<string>

/**
 * The flags, and for what they do not say what was decided in an earlier run, what is asked for, or what is likely.
 * Throws a `Failure` for an answer that can't be, and for one that is missing where nobody can be asked (`ask` is
 * undefined).
 */
export async function answerAll(
  flags: Flags,
  production: Production,
  earlierDomain: (host: string) => Promise<string | undefined>,
  ask: Ask | undefined,
): Promise<Answers> {
  const host = requireHost(flags.host ?? production.host ?? (await need('Host of the deployment', '--host')))
  const zone = isWorkersDev(host)
    ? null
    : requireZone(
        flags.zone ?? zoneSoFar(host) ?? (await propose(`Cloudflare zone of ${host}`, likelyZone(host))),
        host,
      )
  const domain = requireSlug(
    flags.domain ?? (await earlierDomain(host)) ?? (await need('Slug of the first domain', '--domain')),
  )
  return { host, zone, domain, url: requireUrl(flags.url ?? `https://${host}`) }

  function zoneSoFar(host: string): string | undefined {
    return production.host === host ? production.zone : undefined
  }

  async function need(question: string, flag: string): Promise<string> {
    if (!ask) throw new Failure(`${question}: give it by ${flag}.`)
    return ask(question, undefined)
  }

  async function propose(question: string, proposal: string): Promise<string> {
    return ask ? ask(question, proposal) : proposal
  }
}

/** Asks in a terminal. */
export function askIn(input: Readable, output: Writable, signal: AbortSignal): Ask {
  return async (question, proposal) => {
    const terminal = createInterface({ input, output })
    try {
      const shown = proposal === undefined ? `${question}: ` : `${question} (${proposal}): `
      return (await terminal.question(shown, { signal })).trim() || (proposal ?? '')
    } finally {
      terminal.close()
    }
  }
}
