import {
  type ClientOptions,
  ConnectionError,
  StevedoreClient,
  StevedoreError,
  UnexpectedAnswer,
  type UploadOptions,
  UploadUnreadable,
  verifyWebhook,
  type WatchedEvent,
  WebhookVerificationError,
} from '../../../client/index.ts'

// What a test has the client do, in whichever runtime: each takes JSON, and gives what it has seen as JSON.

type Options = Pick<ClientOptions, 'url' | 'key' | 'token' | 'domain' | 'retries'>

/** A file as a test describes it: its bytes are `patternBytes`, or the text. */
interface FileToSend {
  bytes?: number
  text?: string
  name?: string
  options?: Pick<UploadOptions, 'metadata' | 'type' | 'resumableAboveBytes' | 'filename'>
  /** Gives up when so much has been sent, or after so many milliseconds. */
  abortAtBytes?: number
  abortAfterMs?: number | undefined
  /** A Blob, of which nothing is known but its bytes. */
  isNameless?: boolean
}

/** Bytes that look like nothing known. */
export function patternBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = at % 251
  return bytes
}

function send(client: StevedoreClient, file: FileToSend, onSent: (bytes: number) => void = () => {}) {
  const giveUp = new AbortController()
  const { bytes, text = '', name = 'crane.bin', abortAtBytes = Number.POSITIVE_INFINITY, abortAfterMs } = file
  const content = bytes === undefined ? text : patternBytes(bytes)
  const blob = file.isNameless ? new Blob([content]) : new File([content], name, { lastModified: 1 })
  return client.upload(blob, {
    ...file.options,
    onProgress: ({ sentBytes }) => {
      onSent(sentBytes)
      if (sentBytes >= abortAtBytes) giveUp.abort()
    },
    signal: abortAfterMs === undefined ? giveUp.signal : AbortSignal.timeout(abortAfterMs),
  })
}

/** What an error is to a program. */
function describe(error: unknown): Record<string, unknown> {
  if (error instanceof StevedoreError) {
    const { name, code, status, limit, message, requestId } = error
    return { name, code, status, limit, message, requestId }
  }
  if (error instanceof UploadUnreadable) return { name: error.name, id: error.id, cause: describe(error.cause) }
  if (error instanceof UnexpectedAnswer) return { name: error.name, status: error.status }
  if (error instanceof ConnectionError) return { name: error.name, message: error.message }
  return { name: Object(error).name, message: String(Object(error).message) }
}

async function collect(events: AsyncIterable<WatchedEvent>, until: (event: WatchedEvent) => boolean) {
  const seen: WatchedEvent[] = []
  for await (const event of events) {
    if (event.type === 'progress') continue
    seen.push(event)
    if (until(event)) break
  }
  return seen
}

export const scenarios = {
  async upload({ client: options, file }: { client: Options; file: FileToSend }) {
    const client = new StevedoreClient(options)
    const progress: number[] = []
    try {
      const upload = await send(client, file, (bytes) => progress.push(bytes))
      return { upload, status: await client.wait(upload, { timeoutMs: 30_000 }), progress }
    } catch (error) {
      return { error: describe(error), progress }
    }
  },

  /** One upload, and everything that can be done with it. */
  async everyCall({ client: options }: { client: Options }) {
    const client = new StevedoreClient(options)
    const { id } = await send(client, { text: 'Some text.\n', name: 'note.txt' })
    await client.wait(id)
    const detail = await client.get(id)
    const { status } = await client.status(id)
    const whole = await client.download(id)
    const part = await client.download(id, { range: { offset: 5, length: 4 } })
    const tail = await client.download(id, { range: { offset: 5 } })
    const link = await client.createDownloadLink(id, { filename: 'other.txt' })
    const again = await client.reprocess(id)
    const reprocessed = await client.wait(id)
    const history = await client.call<{ events: { type: string }[] }>('GET', `/v1/uploads/${id}/history`)
    await client.delete(id)
    await client.delete(id)
    return {
      detail,
      status,
      texts: [await whole.text(), await part.text(), await tail.text()],
      statuses: [whole.status, part.status, tail.status],
      link,
      again: again.status,
      generation: reprocessed.generation,
      history: history.events.map(({ type }) => type),
      deleted: await client.get(id).catch(describe),
    }
  },

  async list({ client: options, files }: { client: Options; files: number }) {
    const client = new StevedoreClient(options)
    const sent: string[] = []
    for (let index = 0; index < files; index++) sent.push((await send(client, { text: `${index}` })).id)
    const listed: string[] = []
    for await (const { id } of client.list({ limit: 2 })) listed.push(id)
    const first = await client.listPage({ limit: 2, createdAfter: new Date(0) })
    const rest = await client.listPage({ cursor: first.nextCursor ?? '' })
    const none = await client.listPage({ createdBefore: '2000-01-01T00:00:00Z' })
    return { sent, listed, pages: [first, rest, none].map(({ uploads }) => uploads.length), next: rest.nextCursor }
  },

  /** An upload by an upload token that the key's holder makes, and what its own read token lets it do. */
  async byToken({ client: { key, ...options }, file }: { client: Options; file: FileToSend }) {
    const holder = new StevedoreClient({ ...options, key })
    const { token } = await holder.createUploadToken({ metadata: { user: '4711' }, uses: 1 })
    let asked = 0
    const giveToken = async () => {
      asked++
      return token
    }
    const client = new StevedoreClient({ ...options, token: giveToken })
    const upload = await send(client, file)
    const { status } = await client.wait(upload)
    const seen = await collect(client.watch(upload), () => false)
    const content = await client.download(upload, { range: { offset: 0, length: 3 } })
    return {
      upload,
      status,
      events: seen.map(({ type }) => type),
      content: [...new Uint8Array(await content.arrayBuffer())],
      asked,
      withoutIt: await client.get(upload.id).catch(describe),
      usedUp: await send(client, file).catch(describe),
    }
  },

  /** Everything about an upload, from its first event to its last. */
  async watchOne({ client: options }: { client: Options }) {
    const client = new StevedoreClient(options)
    const upload = await send(client, { text: 'watched' })
    const events = await collect(client.watch(upload), () => false)
    const last = events.at(-1)
    const lastEventId = last && 'eventId' in last ? last.eventId : ''
    const after = await collect(client.watch(upload, { lastEventId }), () => false)
    return { events, after }
  },

  /** What happens in a domain; then once more, from the first event that was seen on. */
  async watchAll({ client: options }: { client: Options }) {
    const client = new StevedoreClient(options)
    const isLast = ({ type }: WatchedEvent) => type === 'upload.complete'
    const begun = collect(client.watchAll(), isLast)
    // The stream begins with what happens next: files are sent until it has begun.
    const giveUp = new AbortController()
    const sending = (async () => {
      while (!giveUp.signal.aborted) await client.wait(await send(client, { text: 'watched' }))
    })()
    const events = await begun
    giveUp.abort()
    await sending
    const first = events[0]
    const lastEventId = first && 'eventId' in first ? first.eventId : ''
    const resumed = await collect(client.watchAll({ lastEventId }), isLast)
    const ends = await collect(client.watchAll({ lastEventId, statuses: ['complete'] }), isLast)
    const aborted = await collect(client.watchAll({ signal: AbortSignal.timeout(50) }), isLast).catch(describe)
    return { events, resumed, ends, aborted }
  },

  async waitTooLong({ client: options, id }: { client: Options; id: string }) {
    return new StevedoreClient(options).wait(id, { timeoutMs: 100 }).catch(describe)
  },

  /** The first answers are kept from the client, or replaced by this status, after the server has given them. */
  async losingAnswers({
    client: { key, ...options },
    lost,
    mintsTokens = false,
  }: {
    client: Options
    lost: (number | 'broken')[]
    /** Asks for another token each time that it is asked for one. */
    mintsTokens?: boolean
  }) {
    const holder = new StevedoreClient({ ...options, key })
    const mint = async () => (await holder.createUploadToken()).token
    const ids: string[] = []
    const losing = async (url: string, init: RequestInit): Promise<Response> => {
      const answer = await fetch(url, init)
      const { id } = (await answer.clone().json()) as { id?: string }
      ids.push(id ?? '')
      const loss = lost.shift()
      if (loss === undefined) return answer
      if (loss === 'broken') throw new TypeError('broken')
      return new Response(null, { status: loss })
    }
    const credential = mintsTokens ? { token: mint } : { key }
    const client = new StevedoreClient({ ...options, ...credential, fetch: losing })
    const outcome = await send(client, { text: 'once' }).catch(describe)
    return { ids, outcome }
  },

  /** A large file whose first append breaks, and the question after that where it goes on is answered by this status. */
  async brokenAppend({ client: options, status }: { client: Options; status: number }) {
    const methods: string[] = []
    const failing = async (url: string, init: RequestInit): Promise<Response> => {
      const method = init.method ?? 'GET'
      const isFirst = !methods.includes(method)
      methods.push(method)
      if (method === 'PATCH' && isFirst) throw new TypeError('broken')
      return method === 'HEAD' && isFirst ? new Response(null, { status }) : fetch(url, init)
    }
    const client = new StevedoreClient({ ...options, fetch: failing })
    const outcome = await send(client, { text: 'once', options: { resumableAboveBytes: 0 } }).catch(describe)
    return { methods, outcome }
  },

  async verify({
    messages,
    secrets,
  }: {
    messages: { headers: Record<string, string>; body: string }[]
    secrets: string[]
  }) {
    return Promise.all(
      messages.map(async ({ headers, body }) => {
        const request = new Request('https://app.example.com/hooks', { method: 'POST', headers, body })
        const forms = [
          request,
          { headers, body },
          { headers: new Headers(headers), body: new TextEncoder().encode(body) },
        ]
        const outcomes = forms.map((form) =>
          verifyWebhook(form, secrets).catch((error) =>
            error instanceof WebhookVerificationError ? error.message : describe(error),
          ),
        )
        return Promise.all(outcomes)
      }),
    )
  },
}

export type Scenarios = typeof scenarios
