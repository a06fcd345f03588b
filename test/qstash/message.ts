import { createHash, randomUUID } from 'node:crypto'
import { parseDuration } from './duration.ts'
import { evaluateRetryDelayMs } from './retry-delay.ts'

/** A request that QStash refuses; the server answers it as `{"error": message}`. */
export class RefusedRequest extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** What limits the deliveries that share a flow-control key. */
export type FlowControl = {
  key: string
  parallelism: number | undefined
  rate: number | undefined
  periodMs: number
}

export type MessageKind = 'message' | 'callback' | 'failure-callback'

/** One published message, as it was asked for; what became of it is kept by the delivery. */
export type Message = {
  messageId: string
  kind: MessageKind
  /** The message that a callback reports on. */
  sourceMessageId: string | undefined
  url: string
  method: string
  /** Sent to the destination; names in lower case. */
  header: Map<string, string>
  body: Buffer
  maxRetries: number
  retryDelayExpression: string | undefined
  createdAt: number
  /** Milliseconds since the epoch. */
  notBefore: number
  timeoutMs: number
  callback: Callback | undefined
  failureCallback: Callback | undefined
  flowControl: FlowControl | undefined
  labels: string[]
  callerIp: string
  deduplicationId: string | undefined
}

/** Where the outcome goes, and the `upstash-*` headers that configure its publishing. */
export type Callback = { url: string; headers: Map<string, string> }

export type PublishRequest = {
  destination: string
  /** Names in lower case. */
  headers: Map<string, string>
  body: Buffer
  callerIp: string
  kind?: MessageKind
  sourceMessageId?: string
}

const defaultRetries = 3
const defaultTimeoutMs = 15 * 60_000
const methods = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])

/** Reads a publish request with its `Upstash-*` option headers. Throws RefusedRequest for what QStash would refuse. */
export function parsePublish(request: PublishRequest, now: number): Message {
  const { destination, headers, body } = request
  requireHttpUrl('destination', destination)
  const option = (name: string) => headers.get(`upstash-${name}`)
  const method = option('method') ?? 'POST'
  if (!methods.has(method)) throw new RefusedRequest(400, `invalid method: ${method}`)
  const header = forwardedHeaders(headers)
  const expression = option('retry-delay')
  if (expression !== undefined) requireRetryDelay(expression)
  const contentBased = option('content-based-deduplication') === 'true'
  return {
    messageId: `msg_${randomUUID().replaceAll('-', '')}`,
    kind: request.kind ?? 'message',
    sourceMessageId: request.sourceMessageId,
    url: destination,
    method,
    header,
    body,
    maxRetries: integerOption('retries', option('retries')) ?? defaultRetries,
    retryDelayExpression: expression,
    createdAt: now,
    notBefore: notBefore(option('not-before'), option('delay'), now),
    timeoutMs: durationOption('timeout', option('timeout')) ?? defaultTimeoutMs,
    callback: parseCallback('callback', headers),
    failureCallback: parseCallback('failure-callback', headers),
    flowControl: parseFlowControl(option('flow-control-key'), option('flow-control-value')),
    labels: option('label')?.split(',') ?? [],
    callerIp: request.callerIp,
    deduplicationId: option('deduplication-id') ?? (contentBased ? contentId(destination, header, body) : undefined),
  }
}

function requireHttpUrl(what: string, url: string): void {
  if (!/^https?:\/\//.test(url)) throw new RefusedRequest(400, `invalid ${what} url: endpoint has invalid scheme`)
  if (!URL.canParse(url)) throw new RefusedRequest(400, `invalid ${what} url: ${url}`)
}

function requireRetryDelay(expression: string): void {
  try {
    evaluateRetryDelayMs(expression, 0)
  } catch (cause) {
    throw new RefusedRequest(400, `invalid retry delay: ${cause instanceof Error ? cause.message : cause}`)
  }
}

function integerOption(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (!/^\d+$/.test(value)) throw new RefusedRequest(400, `invalid ${name}: ${value}`)
  return Number(value)
}

function durationOption(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const durationMs = parseDuration(value)
  if (durationMs === undefined) throw new RefusedRequest(400, `invalid ${name}: ${value}`)
  return durationMs
}

/** `Upstash-Not-Before` is in seconds, and wins over `Upstash-Delay`. */
function notBefore(notBeforeSeconds: string | undefined, delay: string | undefined, now: number): number {
  const seconds = integerOption('not-before', notBeforeSeconds)
  return seconds === undefined ? now + (durationOption('delay', delay) ?? 0) : seconds * 1000
}

function forwardedHeaders(headers: Map<string, string>): Map<string, string> {
  const prefix = 'upstash-forward-'
  const forwarded = new Map<string, string>()
  const contentType = headers.get('content-type')
  if (contentType !== undefined) forwarded.set('content-type', contentType)
  for (const [name, value] of headers) {
    if (name.startsWith(prefix)) forwarded.set(name.slice(prefix.length), value)
  }
  return forwarded
}

/** `Upstash-Callback-Retries` configures the callback as `Upstash-Retries` does a message, and so do the others. */
function parseCallback(name: 'callback' | 'failure-callback', headers: Map<string, string>): Callback | undefined {
  const url = headers.get(`upstash-${name}`)
  if (url === undefined) return undefined
  requireHttpUrl(name, url)
  const prefix = `upstash-${name}-`
  const own = new Map(
    [...headers]
      .filter(([header]) => header.startsWith(prefix))
      .map(([header, value]) => [`upstash-${header.slice(prefix.length)}`, value]),
  )
  // Only to refuse bad options now, while somebody is there to be told.
  parsePublish({ destination: url, headers: own, body: Buffer.alloc(0), callerIp: '' }, 0)
  return { url, headers: own }
}

function parseFlowControl(key: string | undefined, value: string | undefined): FlowControl | undefined {
  if (key === undefined) return undefined
  const settings = new Map(
    (value ?? '').split(',').map((part): [string, string] => {
      const [name = '', setting = ''] = part.split('=')
      return [name.trim(), setting.trim()]
    }),
  )
  const parallelism = integerOption('parallelism', settings.get('parallelism'))
  const rate = integerOption('rate', settings.get('rate'))
  if (!parallelism && !rate) throw new RefusedRequest(400, `invalid flow control value: ${value}`)
  return { key, parallelism, rate, periodMs: durationOption('period', settings.get('period')) ?? 1000 }
}

function contentId(destination: string, header: Map<string, string>, body: Buffer): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([destination, [...header].sort()]))
    .update(body)
  return hash.digest('hex')
}
