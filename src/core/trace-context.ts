/** What a request, a row or an outgoing post carries of a trace: the headers of W3C Trace Context, level 1. */
export interface TraceHeaders {
  /** Null where there is no trace. */
  readonly traceparent: string | null
  /** What other systems on the way have added; null for nothing. Handed on as it came. */
  readonly tracestate: string | null
}

export const noTrace: TraceHeaders = { traceparent: null, tracestate: null }

/** One piece of work in a trace. */
export interface Span {
  /** 32 hexadecimal digits: the same in everything that one request has led to. */
  readonly traceId: string
  /** 16 hexadecimal digits: this piece of work. */
  readonly spanId: string
  /** The piece of work that led to it; null where it is the first one. */
  readonly parentSpanId: string | null
  /** Whether whoever began the trace records it; two hexadecimal digits. */
  readonly flags: string
  readonly tracestate: string | null
}

/** §3.2.1: beyond 512 characters a tracestate need not be handed on. */
const longestTracestate = 512
const mostMembers = 32

/** §3.2.2. A later version than 00 may have more to say, after another dash, which is nothing to us. */
const traceparentForm = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** §3.3.1.3: `key=value`, a key perhaps with `@` and its system. */
const memberForm =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/** A trace that somebody else has begun, as its headers tell it; null where they tell none that is valid. */
export function parseTraceHeaders({ traceparent, tracestate }: TraceHeaders): Span | null {
  const match = traceparent === null ? null : traceparentForm.exec(traceparent)
  if (!match) return null
  const [, version, traceId = '', spanId = '', flags = '', more] = match
  if (version === '00' && more !== undefined) return null
  return {
    traceId,
    spanId,
    parentSpanId: null,
    flags: (Number.parseInt(flags, 16) & sampled).toString(16).padStart(2, '0'),
    tracestate: parseTracestate(tracestate),
  }
}

/** The only flag that version 00 knows (§3.2.2.5.1). */
const sampled = 1

/** Null for none, and for one that is not valid: it is dropped, and the trace goes on without it (§3.3.1). */
function parseTracestate(text: string | null): string | null {
  if (text === null || text.length > longestTracestate) return null
  const members = text
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '')
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf('='))))
  const isValid =
    members.length <= mostMembers && keys.size === members.length && members.every((member) => memberForm.test(member))
  return isValid && members.length > 0 ? members.join(',') : null
}

/** The next piece of work of a trace, or the first one of a new trace where there is none. */
export function nextSpan(before: Span | null): Span {
  if (!before) {
    return { traceId: randomId(16), spanId: randomId(8), parentSpanId: null, flags: '01', tracestate: null }
  }
  const { traceId, spanId, flags, tracestate } = before
  return { traceId, spanId: randomId(8), parentSpanId: spanId, flags, tracestate }
}

/** The same piece of work, found to belong to another trace: that of the row it is about. */
export function joinTrace(span: Span, trace: TraceHeaders): Span {
  const before = parseTraceHeaders(trace)
  if (!before) return span
  const { traceId, spanId: parentSpanId, flags, tracestate } = before
  return { traceId, spanId: span.spanId, parentSpanId, flags, tracestate }
}

/** What tells others that what they do is a part of this piece of work. */
export function traceHeadersOf({ traceId, spanId, flags, tracestate }: Span): TraceHeaders {
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate }
}

/** Random bytes as hexadecimal digits; all zeros would be no id. */
function randomId(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes))
  if (random.every((byte) => byte === 0)) random[0] = 1
  return random.toHex()
}
