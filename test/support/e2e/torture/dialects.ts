import type { Reply } from './torn-network.ts'

/** How a protocol says what all of them do. */
export interface Dialect {
  /** Where uploads are created. */
  readonly path: string
  /** The headers of a creation. */
  create(name: string, bytes: number): Record<string, string>
  readonly headOk: number
  head(): Record<string, string>
  /** The headers of an append; `isLast` is whether it brings the rest. */
  append(offset: number, isLast: boolean): Record<string, string>
  /** Whether what `HEAD` or an append has been answered says that all of it is there, and accepted. */
  isComplete(reply: Reply, bytes: number): boolean
}

const tusResumable = { 'tus-resumable': '1.0.0' }

/** `Upload-Metadata` with a name. */
export const named = (name: string) => ({
  ...tusResumable,
  'upload-metadata': `filename ${Buffer.from(name).toString('base64')}`,
})

export const offsetOf = ({ headers }: Reply) => Number(headers['upload-offset'])

export const tus: Dialect = {
  path: '/v1/tus',
  create: (name, bytes) => ({ ...named(name), 'upload-length': String(bytes) }),
  headOk: 200,
  head: () => tusResumable,
  append: (offset) => ({
    ...tusResumable,
    'upload-offset': String(offset),
    'content-type': 'application/offset+octet-stream',
  }),
  isComplete: (reply, bytes) => offsetOf(reply) === bytes,
}

/** A piece of a file, which is none by itself. */
export const tusPartial: Dialect = {
  ...tus,
  create: (_name, bytes) => ({ ...tusResumable, 'upload-concat': 'partial', 'upload-length': String(bytes) }),
}

/** The IETF draft: an upload is complete when an append that said so has come to its end. */
export const draft: Dialect = {
  path: '/v1/resumable',
  create: (name, bytes) => ({
    'upload-complete': '?0',
    'content-disposition': `attachment; filename="${name}"`,
    // Every other client keeps the length to itself.
    ...(bytes % 2 === 0 ? { 'upload-length': String(bytes) } : {}),
  }),
  headOk: 204,
  head: () => ({}),
  append: (offset, isLast) => ({
    'upload-offset': String(offset),
    'upload-complete': isLast ? '?1' : '?0',
    'content-type': 'application/partial-upload',
  }),
  isComplete: ({ headers }) => headers['upload-complete'] === '?1',
}
