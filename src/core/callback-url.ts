import { z } from 'zod'
import { parseHost } from './host.ts'
import { judgeOutboundUrl, type OutboundRules, type OutboundVerdict } from './outbound-url.ts'

/** A hostname, or `*.` and one, which stands for every name below it and not for itself. */
export const callbackHost = z
  .string()
  .toLowerCase()
  .refine((text) => {
    const name = text.replace(/^\*\./, '')
    return parseHost(name) === name
  }, 'is no hostname such as hooks.example.com or *.example.com')

/** Whether a pattern of a policy stands for a hostname, or for everything that another pattern stands for. */
export function matchesCallbackHost(pattern: string, host: string): boolean {
  return pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)))
}

/**
 * Whether an upload may ask for a callback to this URL: it has to be good to call at all, and its host among those of the
 * policy, which are none unless somebody has named them.
 */
export function judgeCallbackUrl(text: string, hosts: readonly string[], rules: OutboundRules): OutboundVerdict {
  if (hosts.length === 0) return { ok: false, reason: 'The policy of this domain names no host for callbacks.' }
  const verdict = judgeOutboundUrl(text, rules)
  if (!verdict.ok) return verdict
  const { hostname } = new URL(verdict.url)
  if (hosts.some((pattern) => matchesCallbackHost(pattern, hostname))) return verdict
  return { ok: false, reason: `The URL names the host ${hostname}, which is none of this domain's for callbacks.` }
}
