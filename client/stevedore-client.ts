import { StevedoreError } from './errors.ts'
import { type ListOptions, list, listPage, type Page } from './list.ts'
import { type Call, type Fetch, Transport } from './transport.ts'
import type {
  AcceptedUpload,
  DownloadLink,
  DownloadLinkRequest,
  FileStatus,
  Upload,
  UploadDetail,
  UploadStatus,
  UploadToken,
  UploadTokenRequest,
} from './types.ts'
import { type FileContent, type UploadOptions, upload } from './upload/upload.ts'
import { type WatchAllOptions, type WatchedEvent, type WatchOptions, watch } from './watch.ts'

export interface ClientOptions {
  /** Where the server is: a domain's own host, or the deployment's, such as `https://acme.uploads.example.com`. */
  url: string | URL
  /** An API key, or the administrator's token. For servers; a page has a token. */
  key?: string | undefined
  /** An upload token or a read token, or what gives one: it is called before each request. */
  token?: string | (() => string | Promise<string>) | undefined
  /** The slug of the domain, where `url` is the deployment's own host and the credential does not say it. */
  domain?: string | undefined
  /** In place of the runtime's own. */
  fetch?: Fetch | undefined
  /** How often a request is sent again at most, where that is safe; 4 unless given. */
  retries?: number | undefined
}

/** An upload by its id, or as `upload` gave it: with the read token, if it has one. */
export type UploadReference = string | { id: string; readToken?: string | undefined }

export interface WaitOptions {
  signal?: AbortSignal | undefined
  /** After so many milliseconds it throws a `TimeoutError`. */
  timeoutMs?: number | undefined
}

export interface DownloadOptions {
  /** A part of the content, in bytes; to its end without a length. */
  range?: { offset: number; length?: number | undefined } | undefined
  /** The variant of this name in place of the file itself. */
  variant?: string | undefined
  signal?: AbortSignal | undefined
}

export type CallOptions = Pick<Call, 'query' | 'headers' | 'json' | 'body' | 'signal'>

const defaultRetries = 4
/** How long one request waits for a change; below what proxies let a silent request be. */
const waitSeconds = 30
const finalStatuses: readonly FileStatus[] = ['complete', 'failed', 'quarantined', 'deleted']

/**
 * A client of one Stevedore. Every call throws `StevedoreError` when the server refuses, `ConnectionError` when no answer
 * comes, and the signal's reason when that aborts; what is safe to send again is, before that.
 */
export class StevedoreClient {
  readonly #transport: Transport

  constructor({ url, key, token, domain, fetch, retries = defaultRetries }: ClientOptions) {
    if (key !== undefined && token !== undefined) throw new TypeError('Give the client a key or a token, and not both.')
    this.#transport = new Transport({
      url: new URL(url),
      credential: () => (typeof token === 'function' ? token() : (key ?? token)),
      domain,
      fetch,
      retries,
    })
  }

  /**
   * Sends a file, and gives it as the server took it: stored, and about to be processed. A small one is one request; a
   * larger one goes by tus, which needs the scope `read` as well if the credential is a key.
   */
  upload(content: FileContent, options: UploadOptions = {}): Promise<AcceptedUpload> {
    return upload(this.#transport, content, options)
  }

  /** Waits until an upload has come to its end: `complete`, `failed` or `quarantined`. */
  async wait(upload: UploadReference, { signal, timeoutMs }: WaitOptions = {}): Promise<UploadStatus> {
    const signals = [signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)].filter((it) => !!it)
    let after: number | undefined
    for (;;) {
      const status: UploadStatus = await this.#transport.json('GET', `${pathOf(upload)}/status`, {
        ...read(upload),
        query: { after },
        headers: { prefer: `wait=${waitSeconds}` },
        signal: AbortSignal.any(signals),
      })
      if (finalStatuses.includes(status.status)) return status
      after = status.lastEvent
    }
  }

  /** What happens to an upload, from its first event until it has come to its end. */
  watch(upload: UploadReference, options: WatchOptions = {}): AsyncGenerator<WatchedEvent, void, undefined> {
    return watch(this.#transport, { path: `${pathOf(upload)}/events`, ...read(upload), endsWithUpload: true }, options)
  }

  /** What happens to all uploads of the domain, from now on; it does not end. */
  watchAll({ statuses, ...options }: WatchAllOptions = {}): AsyncGenerator<WatchedEvent, void, undefined> {
    const query = { status: statuses?.join(',') }
    return watch(this.#transport, { path: '/v1/events', query, endsWithUpload: false }, options)
  }

  /** The uploads of the domain, newest first. */
  list(options: ListOptions = {}): AsyncGenerator<Upload, void, undefined> {
    return list(this.#transport, options)
  }

  /** One page of the list, for who shows it in pages. */
  listPage(options: ListOptions = {}): Promise<Page> {
    return listPage(this.#transport, options)
  }

  /** Everything about one upload. */
  get(upload: UploadReference, { signal }: { signal?: AbortSignal } = {}): Promise<UploadDetail> {
    return this.#transport.json('GET', pathOf(upload), { ...read(upload), signal })
  }

  /** How far an upload is. */
  status(upload: UploadReference, { signal }: { signal?: AbortSignal } = {}): Promise<UploadStatus> {
    return this.#transport.json('GET', `${pathOf(upload)}/status`, { ...read(upload), signal })
  }

  /** The content of an upload, as an answer whose body is not read yet. */
  download(upload: UploadReference, { range, variant, signal }: DownloadOptions = {}): Promise<Response> {
    const path = variant === undefined ? '/content' : `/variants/${encodeURIComponent(variant)}`
    const last = range?.length === undefined ? '' : range.offset + range.length - 1
    const headers = { accept: '*/*', range: range && `bytes=${range.offset}-${last}` }
    return this.#transport.request('GET', pathOf(upload) + path, { ...read(upload), headers, signal })
  }

  /** Deletes an upload; one that is deleted already stays so. */
  async delete(upload: UploadReference, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    try {
      await this.#transport.request('DELETE', pathOf(upload), { signal, repeatable: 'always' })
    } catch (error) {
      if (!(error instanceof StevedoreError && error.code === 'upload-deleted')) throw error
    }
  }

  /** Sends a finished upload through processing again. */
  reprocess(upload: UploadReference, { signal }: { signal?: AbortSignal } = {}): Promise<Upload> {
    return this.#transport.json('POST', `${pathOf(upload)}/reprocess`, { signal })
  }

  /** A token for a client that is to upload and has no key, such as a page. It is kept nowhere. */
  createUploadToken(request: UploadTokenRequest = {}, { signal }: { signal?: AbortSignal } = {}): Promise<UploadToken> {
    return this.#transport.json('POST', '/v1/upload-tokens', { json: request, signal, repeatable: 'always' })
  }

  /** An address at which anybody reads the content, until it expires or the upload is deleted. */
  createDownloadLink(
    upload: UploadReference,
    request: DownloadLinkRequest = {},
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<DownloadLink> {
    return this.#transport.json('POST', `${pathOf(upload)}/links`, { json: request, signal, repeatable: 'always' })
  }

  /**
   * Any other call of the interface, such as `call<Domain>('GET', '/v1/domains/acme')`: the JSON of the answer, undefined
   * when it has none.
   */
  // biome-ignore lint/suspicious/noExplicitAny: who does not say what it is takes it as it comes
  call<T = any>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    return this.#transport.json(method, path, options)
  }
}

function pathOf(upload: UploadReference): string {
  return `/v1/uploads/${encodeURIComponent(typeof upload === 'string' ? upload : upload.id)}`
}

/** What a call that reads one upload is sent with. */
function read(upload: UploadReference): { credential?: string | undefined } {
  return typeof upload === 'string' ? {} : { credential: upload.readToken }
}
