import type { StreamResult } from './client.ts'

/** A figure for requests that were refused would be worth nothing. */
export function expectSuccess(result: StreamResult): StreamResult {
  for (const { status, body } of result.answers) {
    if (status >= 300) throw new Error(`A request was answered with ${status}: ${body.slice(0, 300)}`)
  }
  return result
}
