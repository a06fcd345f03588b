import { z } from 'zod'
import type { TxtAnswer, TxtLookup } from '../core/ports.ts'

const timeoutMs = 5_000
/** DNS itself has no answer larger than this (RFC 1035 §4.2.2: two bytes of length); as JSON it is some times that. */
const maxAnswerBytes = 256 * 1024

/** The types of a record (RFC 1035 §3.2.2) and the codes of an answer (§4.1.1) that are told apart here. */
const txtType = 16
const noError = 0
const nameError = 3
const codeNames: Readonly<Record<number, string>> = { 1: 'FORMERR', 2: 'SERVFAIL', 4: 'NOTIMP', 5: 'REFUSED' }

/** What Cloudflare's and Google's resolvers answer; there is no standard for it. */
const answerSchema = z.looseObject({
  Status: z.int(),
  Answer: z.array(z.looseObject({ type: z.int(), data: z.string() })).default([]),
})

/** Looks TXT records up by the JSON form of DNS over HTTPS, at a resolver such as `https://cloudflare-dns.com/dns-query`. */
export function dnsOverHttps(resolverUrl: string): TxtLookup {
  return async (name) => {
    try {
      return toTxtAnswer(await ask(resolverUrl, name))
    } catch (error) {
      return { kind: 'unreachable', reason: error instanceof Error ? error.message : String(error) }
    }
  }
}

async function ask(resolverUrl: string, name: string): Promise<unknown> {
  const url = new URL(resolverUrl)
  url.searchParams.set('name', name)
  url.searchParams.set('type', 'TXT')
  const response = await fetch(url, {
    headers: { accept: 'application/dns-json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`The resolver answered ${response.status}.`)
  }
  return JSON.parse(await readText(response))
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxAnswerBytes) throw new Error('The answer of the resolver is too long.')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function toTxtAnswer(json: unknown): TxtAnswer {
  const { Status: code, Answer: records } = answerSchema.parse(json)
  if (code === nameError) return { kind: 'no-name' }
  if (code !== noError) return { kind: 'failed', reason: codeNames[code] ?? `code ${code}` }
  // Where the name is an alias, its CNAME records stand before those that it leads to.
  const values = records.filter(({ type }) => type === txtType).map(({ data }) => joinStrings(data))
  return values.length > 0 ? { kind: 'found', values } : { kind: 'no-record' }
}

/**
 * The value of a TXT record out of its text form, `"one string" "and another"` (RFC 1035 §5.1). A string holds 255 bytes
 * at most, so a longer value comes in several, which belong together without a space (RFC 7208 §3.3).
 */
function joinStrings(data: string): string {
  if (!data.startsWith('"')) return data
  return Array.from(data.matchAll(/"((?:[^"\\]|\\.)*)"/gs), ([, text = '']) => unescapeText(text)).join('')
}

function unescapeText(text: string): string {
  return text.replace(/\\(\d{3}|.)/gs, (_, escaped: string) =>
    escaped.length === 3 ? String.fromCharCode(Number(escaped)) : escaped,
  )
}
