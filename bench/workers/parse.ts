import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import FastifyBusboy from '@fastify/busboy'
import { parseMultipartRequest } from '@remix-run/multipart-parser'
import busboy from 'busboy'
import * as multipasta from 'multipasta/web'
import { boundaryOf } from '../../src/multipart/boundary.ts'
import { MultipartReader } from '../../src/multipart/multipart-reader.ts'

/** What a consumer's buffer holds: one part of an R2 upload. */
const bufferBytes = 5 * 1024 * 1024

/** Each reads the body of a form to its end, keeps nothing, and returns the size of the file, or of the body. */
const readers: Record<string, (request: Request) => Promise<number>> = {
  async drain(request) {
    const reader = (request.body as ReadableStream<Uint8Array>).getReader({ mode: 'byob' })
    let memory = new ArrayBuffer(bufferBytes)
    let size = 0
    for (let offset = 0; ; ) {
      const { done, value } = await reader.read(new Uint8Array(memory, offset))
      if (!value) return size
      memory = value.buffer as ArrayBuffer
      size += value.byteLength
      offset += value.byteLength
      if (offset === bufferBytes) offset = 0
      if (done) return size
    }
  },

  async stevedore(request) {
    const stream = request.body as ReadableStream<Uint8Array>
    const form = new MultipartReader(stream, boundaryOf(request.headers.get('content-type')))
    let memory = new ArrayBuffer(bufferBytes)
    let size = 0
    for (let part = await form.next(); part !== null; part = await form.next()) {
      for (let offset = 0; ; ) {
        const { buffer, end, done } = await part.fill(memory, offset)
        memory = buffer
        size += end - offset
        offset = end === bufferBytes ? 0 : end
        if (done) break
      }
    }
    return size
  },

  async formData(request) {
    const file = (await request.formData()).get('file') as unknown as File
    return file.size
  },

  async busboy(request) {
    let size = 0
    const parser = busboy({ headers: Object.fromEntries(request.headers) })
    parser.on('file', (_name, file) => {
      file.on('data', (chunk: Buffer) => {
        size += chunk.length
      })
    })
    await pipeline(nodeStreamOf(request), parser)
    return size
  },

  async fastifyBusboy(request) {
    let size = 0
    const contentType = request.headers.get('content-type') as string
    const parser = new FastifyBusboy({ headers: { 'content-type': contentType } })
    parser.on('file', (_name, file) => {
      file.on('data', (chunk: Buffer) => {
        size += chunk.length
      })
    })
    await pipeline(nodeStreamOf(request), parser)
    return size
  },

  async multipasta(request) {
    let size = 0
    const limits = { maxPartSize: Number.MAX_SAFE_INTEGER, maxTotalSize: Number.MAX_SAFE_INTEGER }
    const parser = multipasta.make({ headers: request.headers, ...limits })
    const parts = (request.body as ReadableStream<Uint8Array>).pipeThrough(parser)
    for await (const part of parts) {
      if (part._tag === 'File') for await (const chunk of part.readable) size += chunk.length
    }
    return size
  },

  async remix(request) {
    let size = 0
    const limits = { maxFileSize: Number.MAX_SAFE_INTEGER, maxTotalSize: Number.MAX_SAFE_INTEGER }
    for await (const part of parseMultipartRequest(request, limits)) size += part.size
    return size
  },
}

function nodeStreamOf(request: Request): Readable {
  return Readable.fromWeb(request.body as unknown as Parameters<typeof Readable.fromWeb>[0])
}

export default {
  async fetch(request) {
    const read = readers[new URL(request.url).pathname.slice(1)]
    if (!read) return new Response('There is no such reader', { status: 404 })
    return new Response(String(await read(request)))
  },
} satisfies ExportedHandler
