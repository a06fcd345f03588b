import { judgeCallbackUrl } from '../../core/callback-url.ts'
import type { Domain } from '../../core/domain.ts'
import { Refusal } from '../../core/errors.ts'
import type { OutboundRules } from '../../core/outbound-url.ts'

/**
 * Who is to be told how the files of a request end, as it will be called; null where nobody is asked for. Throws
 * `callback-not-allowed` where the domain's policy does not have it, with the reason.
 */
export function requireCallback(text: string | null, domain: Domain, rules: OutboundRules): string | null {
  if (text === null) return null
  const { callbackHosts } = domain.policy
  const verdict = judgeCallbackUrl(text, callbackHosts, rules)
  if (verdict.ok) return verdict.url
  throw new Refusal('callback-not-allowed', verdict.reason, { facts: { url: text.slice(0, 2000) } })
}

/** The one callback of a request that may name it in a header and in a field. Throws `request-invalid` where they differ. */
export function sameCallback(known: string | null, text: string): string {
  if (known === null || known === text) return text
  throw new Refusal('request-invalid', 'The request names two callbacks. Name one, in one place.')
}
