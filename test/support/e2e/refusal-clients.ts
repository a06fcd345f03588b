import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { call } from './http.ts'
import { curl, run } from './programs.ts'

/** One request that will be refused, on the apex host of a server. */
export interface DoomedRequest {
  method: string
  /** `/path?query`. */
  target: string
  headers: Record<string, string>
  bodyFile: string
  /** Sent without a Content-Length. */
  chunked: boolean
}

/** What a client saw: an answer with the code of its problem document, or a connection that broke. */
export type SeenAnswer = { status: number; code: string } | { broken: string }

/**
 * A kind of client. It sends the same request a number of times, one after the other, and gives for each what its user
 * would see.
 */
export interface RefusalClient {
  name: string
  sendsChunked: boolean
  send(port: number, request: DoomedRequest, times: number): Promise<SeenAnswer[]>
}

const curlClient: RefusalClient = {
  name: 'curl',
  sendsChunked: true,
  send: (port, { method, target, headers, bodyFile, chunked }, times) =>
    oneByOne(times, async () => {
      const fields = { ...headers, ...(chunked ? { 'Transfer-Encoding': 'chunked' } : {}), Expect: '' }
      const lines = Object.entries(fields).flatMap(([name, value]) => ['-H', `${name}:${value && ` ${value}`}`])
      const answer = await curl('-X', method, ...lines, '-T', bodyFile, `http://127.0.0.1:${port}${target}`)
      return { status: answer.status, code: answer.json().code }
    }),
}

const nodeHttpClient: RefusalClient = {
  name: 'node:http',
  sendsChunked: true,
  send: async (port, { method, target, headers, bodyFile, chunked }, times) => {
    const bytes = await readFile(bodyFile)
    return oneByOne(times, async () => {
      const body = chunked ? createReadStream(bodyFile) : bytes
      const answer = await call(port, method, target, { headers, body })
      return { status: answer.status, code: answer.json().code }
    })
  },
}

const nodeFetchClient: RefusalClient = {
  name: 'Node’s fetch',
  sendsChunked: true,
  send: async (port, { method, target, headers, bodyFile, chunked }, times) => {
    const bytes = await readFile(bodyFile)
    return oneByOne(times, async () => {
      const body = chunked ? new Blob([bytes]).stream() : bytes
      // The types in reach are those of the Workers runtime, which know no `duplex`.
      const init: RequestInit & { duplex: 'half' } = { method, headers, body, duplex: 'half' }
      const answer = await fetch(`http://127.0.0.1:${port}${target}`, init)
      return { status: answer.status, code: ((await answer.json()) as { code: string }).code }
    })
  },
}

const pythonClient: RefusalClient = {
  name: 'Python’s http.client',
  sendsChunked: true,
  send: async (port, request, times) => {
    const script = join(import.meta.dirname, 'refused_uploads.py')
    const answers = await run('python3', [script], JSON.stringify({ port, times, ...request }))
    return JSON.parse(answers.toString())
  },
}

/** Those that every developer's machine has; Chromium is in `chromium.ts`. */
export const refusalClients: readonly RefusalClient[] = [curlClient, nodeHttpClient, nodeFetchClient, pythonClient]

async function oneByOne(times: number, send: () => Promise<SeenAnswer>): Promise<SeenAnswer[]> {
  const answers: SeenAnswer[] = []
  while (answers.length < times) answers.push(await send().catch((error) => ({ broken: String(error) })))
  return answers
}
