import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A record as the JSON form of DNS over HTTPS writes it; types are numbers (16 is TXT, 5 is CNAME). */
export interface DnsRecord {
  type: number
  data: string
}

export const txt = (data: string): DnsRecord => ({ type: 16, data })
export const cname = (data: string): DnsRecord => ({ type: 5, data })

/** What is known of a name: its records, a code of its name servers, or what the resolver itself does wrong. */
export type DnsEntry = { records: DnsRecord[] } | { code: number } | { answer(response: ServerResponse): unknown }

/** A resolver that speaks the JSON form of DNS over HTTPS, as Cloudflare's does. */
export interface Resolver {
  url: string
  /** By name; a name that is not there is answered with NXDOMAIN. */
  names: Map<string, DnsEntry>
  /** The names that were asked for, with their types. */
  asked: string[]
  stop(): Promise<void>
}

export async function startResolver(): Promise<Resolver> {
  const names = new Map<string, DnsEntry>()
  const asked: string[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://resolver')
    const name = url.searchParams.get('name') ?? ''
    const type = url.searchParams.get('type') ?? 'A'
    if (url.pathname !== '/dns-query' || request.headers.accept !== 'application/dns-json' || name === '') {
      return response.writeHead(400).end()
    }
    asked.push(`${name} ${type}`)
    const entry = names.get(name) ?? { code: 3 }
    if ('answer' in entry) return entry.answer(response)
    const records = 'records' in entry ? entry.records : []
    response.writeHead(200, { 'content-type': 'application/dns-json' })
    response.end(
      JSON.stringify({
        Status: 'code' in entry ? entry.code : 0,
        TC: false,
        RD: true,
        RA: true,
        AD: false,
        CD: false,
        Question: [{ name, type: 16 }],
        ...(records.length > 0 && { Answer: records.map((record) => ({ name, TTL: 300, ...record })) }),
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dns-query`,
    names,
    asked,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
