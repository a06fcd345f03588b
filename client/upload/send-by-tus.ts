import { type DetailedError, type HttpRequest, type HttpResponse, Upload, type UploadOptions } from 'tus-js-client'
import { ConnectionError, errorOf, StevedoreError, UnexpectedAnswer, UploadUnreadable } from '../errors.ts'
import { retryDelayMs } from '../retry.ts'
import type { Transport } from '../transport.ts'
import type { AcceptedUpload } from '../types.ts'
import type { Outgoing } from './outgoing.ts'
import { TokenStorage } from './token-storage.ts'
import { blobReader, fetchStack } from './tus-parts.ts'
import { hasXhr } from './xhr-fetch.ts'

/** How much of a file goes in one request: below what the Cloudflare plans let through, in whole parts of 5 MiB. */
const appendBytes = 50 * 1024 * 1024
/** Where progress is told once an append only. */
const smallerAppendBytes = 10 * 1024 * 1024

/**
 * Sends a file by tus, over as many requests as it takes, and gives it as the server took it. In a page, an upload of the
 * same file that a reload has interrupted goes on where it was. Throws `UploadUnreadable` when the file is stored, and the
 * server does not say more of it.
 */
export async function sendByTus(transport: Transport, file: Outgoing): Promise<AcceptedUpload> {
  const { url, readToken } = await transfer(transport, file)
  const id = new URL(url).pathname.split('/').at(-1) ?? ''
  const path = `/v1/uploads/${id}`
  try {
    // Without the signal: the file is there, and who gave up too late is told so.
    const upload = await transport.json<AcceptedUpload>('GET', path, { credential: readToken })
    return readToken === undefined ? upload : { ...upload, readToken }
  } catch (error) {
    if (error instanceof StevedoreError && error.code === 'upload-deleted') throw error
    throw new UploadUnreadable(id, error)
  }
}

async function transfer(
  transport: Transport,
  { blob, filename, type, metadata, callbackUrl, onProgress, signal }: Outgoing,
): Promise<{ url: string; readToken: string | undefined }> {
  requireTusKeys(metadata)
  signal?.throwIfAborted()
  return new Promise((resolve, reject) => {
    const isInPage = hasXhr && !transport.hasOwnFetch
    // Only of a File is enough known to know it again: of two Blobs of one length either would be taken for the other.
    const isKept = isInPage && blob instanceof File
    const storage = new TokenStorage()
    const options: UploadOptions = {
      endpoint: transport.address('/v1/tus'),
      chunkSize: isInPage ? appendBytes : smallerAppendBytes,
      metadata: { ...metadata, ...(filename && { filename }), ...(type && { filetype: type }) },
      ...(callbackUrl !== undefined && { headers: { 'X-Callback-URL': callbackUrl } }),
      // How many there are; how long each is, the error says.
      retryDelays: Array.from({ length: transport.retries }, () => 0),
      removeFingerprintOnSuccess: true,
      ...(!isInPage && {
        httpStack: fetchStack(transport.fetch),
        fileReader: blobReader,
      }),
      ...(isKept ? { urlStorage: storage } : { fingerprint: async () => '', storeFingerprintForResuming: false }),
      onBeforeRequest: async (request) => {
        const authorization = await transport.authorization()
        if (authorization !== undefined) request.setHeader('Authorization', authorization)
      },
      onAfterResponse: async (request, response) => {
        storage.readToken = response.getHeader('X-Read-Token') ?? storage.readToken
        if (request.getMethod() === 'HEAD') await requireKnown(transport, request, response)
      },
      onShouldRetry: (error, tries, { retryDelays }) => {
        const delayMs = retryDelayMs(asOurs(error), tries + 1, 'resumable')
        if (delayMs === null || !retryDelays) return false
        retryDelays[tries] = delayMs
        return true
      },
      onProgress: (sentBytes, totalBytes) => onProgress({ sentBytes, totalBytes }),
      onUploadUrlAvailable: () => {
        if (signal?.aborted) giveUp()
      },
      onSuccess: () => {
        signal?.removeEventListener('abort', giveUp)
        resolve({ url: upload.url ?? '', readToken: storage.readToken })
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
    begin(upload, options, storage).catch(reject)
  })
}

/** Goes on with an upload of the same file, under the same name and notes, if one is known here. */
async function begin(
  upload: Upload,
  { metadata, storeFingerprintForResuming }: UploadOptions,
  storage: TokenStorage,
): Promise<void> {
  const previous = storeFingerprintForResuming === false ? [] : await upload.findPreviousUploads()
  const same = previous.find((found) => JSON.stringify(found.metadata) === JSON.stringify(metadata))
  if (same) {
    storage.take(same)
    upload.resumeFromPreviousUpload(same)
  }
  upload.start()
}

/**
 * Throws the refusal, unless an answer to `HEAD` says where the upload is, or that there is none: tus-js-client takes any
 * other for the latter as well, and would begin again.
 */
async function requireKnown(transport: Transport, request: HttpRequest, response: HttpResponse): Promise<void> {
  const status = response.getStatus()
  if ((status >= 200 && status < 300) || status === 404 || status === 410) return
  const url = new URL(request.getURL())
  // That answer has no body. The same question by GET says why.
  const query = Object.fromEntries(url.searchParams)
  await transport.request('GET', url.pathname, { query, headers: { 'tus-resumable': '1.0.0' }, retries: 0 })
  throw new UnexpectedAnswer(url.href, status)
}

function asOurs(error: Error | DetailedError): Error {
  const cause = 'causingError' in error ? error.causingError : null
  if (cause instanceof StevedoreError || cause instanceof UnexpectedAnswer) return cause
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
