import { parseDuration } from './duration.ts'

const maxDelayMs = 86_400_000

const retryAfterHeaders = ['retry-after', 'x-ratelimit-reset', 'x-ratelimit-reset-requests', 'x-ratelimit-reset-tokens']

const functions = new Map<string, (...values: number[]) => number>([
  ['pow', Math.pow],
  ['sqrt', Math.sqrt],
  ['abs', Math.abs],
  ['exp', Math.exp],
  ['floor', Math.floor],
  ['ceil', Math.ceil],
  ['round', Math.round],
  ['min', Math.min],
  ['max', Math.max],
])

/** QStash's default backoff in milliseconds before the `n`-th retry (1 is the first): e^(2.5 n) s, at most a day. */
export function defaultRetryDelayMs(n: number): number {
  return Math.min(maxDelayMs, Math.exp(2.5 * n) * 1000)
}

/**
 * The delay in milliseconds that a response asks for: seconds, a date or a duration, in `Retry-After` or one of the
 * `X-RateLimit-Reset` headers. Undefined when it asks for nothing, or for more than the day that QStash allows.
 */
export function requestedRetryDelayMs(headers: { get(name: string): string | null }, now: number): number | undefined {
  const value = retryAfterHeaders.map((name) => headers.get(name)?.trim()).find(Boolean)
  if (!value) return undefined
  const date = Date.parse(value)
  const delayMs = /^\d+$/.test(value)
    ? Number(value) * 1000
    : (parseDuration(value) ?? (Number.isNaN(date) ? undefined : Math.max(0, date - now)))
  return delayMs === undefined || delayMs > maxDelayMs ? undefined : delayMs
}

/**
 * Evaluates an `Upstash-Retry-Delay` expression, such as `min(60000, pow(2, retried) * 1000)`, to milliseconds.
 * `retried` is 0 for the first retry. Throws a SyntaxError when the expression is malformed.
 */
export function evaluateRetryDelayMs(expression: string, retried: number): number {
  const tokens = expression.match(/\d+(?:\.\d+)?|[a-z]+|\S/gi) ?? []
  let next = 0

  const take = (expected: string) => {
    if (tokens[next] !== expected) throw new SyntaxError(`expected ${expected} in retry delay "${expression}"`)
    next++
  }

  const sum = (): number => {
    let value = product()
    while (tokens[next] === '+' || tokens[next] === '-') value += tokens[next++] === '+' ? product() : -product()
    return value
  }

  const product = (): number => {
    let value = operand()
    while (tokens[next] === '*' || tokens[next] === '/') {
      if (tokens[next++] === '*') value *= operand()
      else value /= operand()
    }
    return value
  }

  const operand = (): number => {
    const token = tokens[next++]
    if (token === '-') return -operand()
    if (token === 'retried') return retried
    if (token === '(') {
      const value = sum()
      take(')')
      return value
    }
    const apply = functions.get(token ?? '')
    if (apply) return apply(...callArguments())
    if (token === undefined || !/^\d/.test(token)) throw new SyntaxError(`unexpected end or name in "${expression}"`)
    return Number(token)
  }

  const callArguments = (): number[] => {
    take('(')
    const values = [sum()]
    while (tokens[next] === ',') {
      next++
      values.push(sum())
    }
    take(')')
    return values
  }

  const delayMs = sum()
  if (next !== tokens.length) throw new SyntaxError(`unexpected ${tokens[next]} in retry delay "${expression}"`)
  return Math.min(maxDelayMs, Math.max(0, delayMs))
}
