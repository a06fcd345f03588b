import { type DetailedError, Upload, type UploadOptions } from 'tus-js-client'
import { ConnectionError, errorOf } from '../errors.ts'
import type { Transport } from '../transport.ts'
import type { AcceptedUpload } from '../types.ts'
import type { Outgoing } from './outgoing.ts'
import { blobReader, fetchStack } from './tus-parts.ts'
import { hasXhr } from './xhr-fetch.ts'

/** How much of a file goes in one request: below what the Cloudflare plans let through, in whole parts of 5 MiB. */
const appendBytes = 50 * 1024 * 1024
/** Where progress is told once an append only. */
const smallerAppendBytes = 10 * 1024 * 1024

const longestDelayMs = 30_000

/**
 * Sends a file by tus, over as many requests as it takes, and gives it as the server took it. In a page, an upload of the
 * same file that a reload has interrupted goes on where it was.
 */
export async function sendByTus(transport: Transport, file: Outgoing): Promise<AcceptedUpload> {
  const { url, readToken } = await transfer(transport, file)
  const id = new URL(url).pathname.split('/').at(-1) ?? ''
  const path = `/v1/uploads/${id}`
  // Without the signal: the file is there, and who gave up too late is told so.
  const upload = await transport.json<AcceptedUpload>('GET', path, { credential: readToken })
  return readToken === undefined ? upload : { ...upload, readToken }
}

async function transfer(
  transport: Transport,
  { blob, filename, type, metadata, callbackUrl, onProgress, signal }: Outgoing,
): Promise<{ url: string; readToken: string | undefined }> {
  requireTusKeys(metadata)
  signal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    let readToken: string | undefined
    const isInPage = hasXhr && !transport.hasOwnFetch
    const options: UploadOptions = {
      endpoint: transport.address('/v1/tus'),
      chunkSize: isInPage ? appendBytes : smallerAppendBytes,
      metadata: { ...metadata, ...(filename && { filename }), ...(type && { filetype: type }) },
      ...(callbackUrl !== undefined && { headers: { 'X-Callback-URL': callbackUrl } }),
      retryDelays: Array.from({ length: transport.retries }, (_, tries) => Math.min(500 * 2 ** tries, longestDelayMs)),
      removeFingerprintOnSuccess: true,
      ...(!isInPage && {
        httpStack: fetchStack(transport.fetch),
        fileReader: blobReader,
        fingerprint: async () => '',
        storeFingerprintForResuming: false,
      }),
      onBeforeRequest: async (request) => {
        const authorization = await transport.authorization()
        if (authorization !== undefined) request.setHeader('Authorization', authorization)
      },
      onAfterResponse: (_request, response) => {
        readToken = response.getHeader('X-Read-Token') ?? readToken
      },
      onShouldRetry: ({ originalResponse }) => mayPass(originalResponse?.getStatus() ?? 0),
      onProgress: (sentBytes, totalBytes) => onProgress({ sentBytes, totalBytes }),
      onUploadUrlAvailable: () => {
        if (signal?.aborted) giveUp()
      },
      onSuccess: () => {
        signal?.removeEventListener('abort', giveUp)
        resolve({ url: upload.url ?? '', readToken })
      },
      onError: (error) => {
        signal?.removeEventListener('abort', giveUp)
        reject(signal?.aborted ? signal.reason : asOurs(error))
      },
    }
    const upload = new Upload(blob, options)

    function giveUp() {
      // While it is being created nobody knows its address: it is removed as soon as that is known.
      if (upload.url === null) return
      upload.abort(true).then(
        () => reject(signal?.reason),
        () => reject(signal?.reason),
      )
    }

    signal?.addEventListener('abort', giveUp, { once: true })
    begin(upload, options).catch(reject)
  })
}

/** Goes on with an upload of the same file, under the same name and notes, if one is known here. */
async function begin(upload: Upload, { metadata, storeFingerprintForResuming }: UploadOptions): Promise<void> {
  const previous = storeFingerprintForResuming === false ? [] : await upload.findPreviousUploads()
  const same = previous.find((found) => JSON.stringify(found.metadata) === JSON.stringify(metadata))
  if (same) upload.resumeFromPreviousUpload(same)
  upload.start()
}

/** 0 is no answer. A conflict is an append that still runs, or an offset that has moved: `HEAD` tells where it goes on. */
function mayPass(status: number): boolean {
  return [0, 409, 423, 429].includes(status) || status >= 500
}

function asOurs(error: Error | DetailedError): Error {
  const response = 'originalResponse' in error ? error.originalResponse : null
  if (!response) return new ConnectionError(error.message, { cause: error })
  const url = 'originalRequest' in error ? error.originalRequest.getURL() : ''
  return errorOf(url, response.getStatus(), response.getBody(), response.getHeader('Retry-After') ?? null)
}

const takenKeys: readonly string[] = ['filename', 'filetype', 'domain']

/** The keys of metadata travel in a header, as ASCII, among the protocol's own (tus 1.0, creation). */
function requireTusKeys(metadata: Record<string, string>): void {
  const wrong = Object.keys(metadata).find((key) => !/^[\x21-\x2b\x2d-\x7e]+$/.test(key) || takenKeys.includes(key))
  if (wrong === undefined) return
  throw new TypeError(
    `The metadata key ${JSON.stringify(wrong)} can't be sent with a large file: a key is ASCII without spaces and commas, and none of ${takenKeys.join(', ')}.`,
  )
}
