import { effect, signal } from '@preact/signals'
import { Uppy } from '@uppy/core'
import Tus, { type TusBody } from '@uppy/tus'
import { refusalOf, requestHeaders, StevedoreError } from '../api.ts'
import { sessionState } from '../session.ts'
import { metadataFor } from './metadata.ts'
import { forgetUnfinished } from './unfinished.ts'

/** What is sent with a file: its name and type, and the domain, since the host does not say it. */
type Meta = { filename: string; filetype: string; domain: string } & Record<string, string>
export type Uploader = Uppy<Meta, TusBody>
export type QueuedFile = ReturnType<Uploader['getFiles']>[number]

/** Below what every plan of Cloudflare lets through in one request. */
const appendBytes = 32 * 1024 * 1024
const atOnce = 3

/**
 * Milliseconds before each further try, about eleven minutes in all: a train's tunnel or a router's restart is waited
 * for. They begin anew whenever something has gone through.
 */
const retryDelays = [100, 1000, 3000, 5000, 10_000, 20_000, ...Array<number>(20).fill(30_000)]

/** Why a file of the queue was not taken, by its id there. */
export const uploadErrors = signal<ReadonlyMap<string, Error>>(new Map())

const uploaders = new Map<string, Uploader>()

/** The queue of files that go to a domain. It outlives the page: uploads go on while another one is open. */
export function uploaderFor(domain: string): Uploader {
  const known = uploaders.get(domain)
  if (known) return known
  const made = makeUploader(domain)
  uploaders.set(domain, made)
  return made
}

/** Whether another try can help: the file itself is fine, as far as the server has said. */
export function mayTryAgain(error: Error | undefined): boolean {
  return !(error instanceof StevedoreError) || error.status >= 500 || [401, 408, 409, 429].includes(error.status)
}

// What is on its way stops with the session; it can be gone on with after signing in again.
effect(() => {
  if (sessionState.value.kind !== 'signed-out') return
  for (const uploader of uploaders.values()) uploader.pauseAll()
  uploaders.clear()
  uploadErrors.value = new Map()
})

function makeUploader(domain: string): Uploader {
  const uploader: Uploader = new Uppy<Meta, TusBody>({
    // It is part of the name under which an unfinished upload is found again.
    id: `console-${domain}`,
    autoProceed: true,
    logger: { debug: () => {}, warn: () => {}, error: () => {} },
    onBeforeFileAdded: (file, files) => {
      if (Object.hasOwn(files, file.id)) {
        if (!isOver(files[file.id])) return false
        uploader.removeFile(file.id)
      }
      const own = metadataFor(domain)
      return {
        ...file,
        meta: { ...file.meta, ...own, filename: file.name ?? 'file', filetype: file.type, domain },
        // Uppy notes things of its own beside them, which are none of the file's.
        tus: { allowedMetaFields: [...Object.keys(own), 'filename', 'filetype', 'domain'] },
      }
    },
  })
  uploader.use(Tus, {
    endpoint: `${location.origin}/v1/tus`,
    headers: () => requestHeaders(domain),
    chunkSize: appendBytes,
    limit: atOnce,
    retryDelays,
    removeFingerprintOnSuccess: true,
  })
  uploader.on('upload-error', (file, _error, response) => {
    if (!file) return
    const { xhr } = Object(response?.body) as Partial<TusBody>
    const refusal = refusalOf(xhr)
    uploadErrors.value = new Map(uploadErrors.peek()).set(file.id, refusal)
    if (!mayTryAgain(refusal)) forgetUnfinished(uploadUrlOf(uploader.getFile(file.id)))
  })
  uploader.on('upload-retry', (file) => forgetError(file.id))
  uploader.on('file-removed', (file) => forgetError(file.id))
  return uploader
}

/** Whether a file of the queue has been sent or refused: chosen again, it is a new one. */
function isOver(file: QueuedFile | undefined): boolean {
  return file !== undefined && (Boolean(file.progress.uploadComplete) || uploadErrors.peek().has(file.id))
}

/** Where an upload is, once the server has said it. */
export function uploadUrlOf(file: QueuedFile | undefined): string | undefined {
  return file?.tus?.uploadUrl ?? file?.uploadURL ?? undefined
}

function forgetError(id: string): void {
  if (!uploadErrors.peek().has(id)) return
  const errors = new Map(uploadErrors.peek())
  errors.delete(id)
  uploadErrors.value = errors
}
