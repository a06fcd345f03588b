import type { FlowControl, Message } from './message.ts'

/** What the destination answered. Status 0: it gave no answer, and `error` says why. */
export type Answer = { status: number; headers: Headers; body: Buffer; error: string | undefined }

/** A message that failed for good, with the last answer to it. */
export type DeadLetter = { dlqId: string; message: Message; retried: number; answer: Answer }

export type EventState = 'CREATED' | 'ACTIVE' | 'RETRY' | 'ERROR' | 'DELIVERED' | 'FAILED'

export type MessageEvent = {
  time: number
  state: EventState
  message: Message
  /** Milliseconds since the epoch. */
  nextDeliveryTime: number | undefined
  answer: Answer | undefined
}

/** A message as `GET /v2/messages/<id>` gives it. */
export function messageView(message: Message) {
  return {
    messageId: message.messageId,
    url: message.url,
    method: message.method,
    header: headerLists(message.header),
    ...textOrBase64('body', 'bodyBase64', message.body),
    maxRetries: message.maxRetries,
    retryDelayExpression: message.retryDelayExpression,
    notBefore: message.notBefore,
    createdAt: message.createdAt,
    callback: message.callback?.url,
    failureCallback: message.failureCallback?.url,
    callerIP: message.callerIp,
    label: message.labels[0],
    labels: message.labels.length > 0 ? message.labels : undefined,
    ...flowControlView(message.flowControl),
  }
}

/** A dead letter as `GET /v2/dlq` lists it. */
export function deadLetterView({ dlqId, message, answer }: DeadLetter) {
  return {
    ...messageView(message),
    dlqId,
    responseStatus: answer.status,
    responseHeader: headerLists(answer.headers),
    ...textOrBase64('responseBody', 'responseBodyBase64', answer.body),
  }
}

/** A change of a message's state as `GET /v2/events` lists it. */
export function eventView({ time, state, message, nextDeliveryTime, answer }: MessageEvent) {
  return {
    time,
    state,
    messageId: message.messageId,
    url: message.url,
    method: message.method,
    header: headerLists(message.header),
    body: message.body.toString('base64'),
    nextDeliveryTime,
    error: answer?.error,
    responseStatus: answer?.status,
    responseBody: answer?.body.toString('base64'),
  }
}

/** The body that QStash posts to a callback, and with a `dlqId` to a failure callback. */
export function callbackBody(message: Message, retried: number, answer: Answer, dlqId?: string): Buffer {
  const view = {
    status: answer.status,
    header: headerLists(answer.headers),
    body: answer.body.toString('base64'),
    retried,
    maxRetries: message.maxRetries,
    dlqId,
    sourceMessageId: message.messageId,
    url: message.url,
    method: message.method,
    sourceHeader: headerLists(message.header),
    sourceBody: message.body.toString('base64'),
    notBefore: message.notBefore,
    createdAt: message.createdAt,
    callerIP: message.callerIp,
  }
  return Buffer.from(JSON.stringify(view))
}

/** QStash is written in Go, whose header maps have canonical names and lists of values. */
function headerLists(headers: Iterable<[string, string]>): Record<string, string[]> {
  return Object.fromEntries([...headers].map(([name, value]) => [canonicalName(name), [value]]))
}

function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())
}

function textOrBase64(textField: string, base64Field: string, bytes: Buffer): Record<string, string> {
  const text = bytes.toString('utf8')
  return Buffer.from(text).equals(bytes) ? { [textField]: text } : { [base64Field]: bytes.toString('base64') }
}

function flowControlView(flowControl: FlowControl | undefined) {
  if (!flowControl) return {}
  const { key, parallelism, rate, periodMs } = flowControl
  return { flowControlKey: key, parallelism, rate, period: rate ? periodMs / 1000 : undefined }
}
