import { createMiddleware } from 'hono/factory'
import type { AppContext, AppEnv } from '../context.ts'
import { unknownCredential } from '../core/access.ts'
import { type Domain, domainNotFound, requireFound } from '../core/domain.ts'
import { Refusal } from '../core/errors.ts'
import { authorityOf } from '../core/host.ts'

/**
 * Finds the domain a request is for: by its host, and on the apex host by `X-Upload-Domain`, `?domain=` or the
 * credential. Two that disagree are a conflict, on any host. It stays null when nothing outside of the body names one.
 */
export function domain() {
  return createMiddleware<AppEnv>(async function domain(c, next) {
    const { directory } = c.get('deps')
    let found = await domainOfHost(c)
    const names = [c.req.header('x-upload-domain'), ...(c.req.queries('domain') ?? [])]
    for (const name of names) {
      if (name === undefined) continue
      const named = requireFound(await directory.byClientText(name), name)
      if (found && found.id !== named.id) {
        throw new Refusal(
          'domain-conflict',
          `The request names two domains, "${found.slug}" and "${named.slug}". Name one.`,
          {
            facts: { domains: [found.slug, named.slug] },
          },
        )
      }
      found = named
    }
    const credential = c.get('credential')
    if (!found && 'domainId' in credential) {
      found = await directory.byId(credential.domainId)
      // The domain is gone, and its keys with it.
      if (!found) throw unknownCredential()
    }
    c.set('domain', found)
    await next()
  })
}

/** The domain, where a request can't do without one. */
export function requireDomain(c: AppContext): Domain {
  const domain = c.get('domain')
  if (domain) return domain
  throw new Refusal(
    'domain-required',
    'Send the request to the domain’s own host, or name the domain by X-Upload-Domain or ?domain=.',
  )
}

/** The domain that the host of the request is served for; null on the apex host. Throws `domain-not-found`. */
export async function domainOfHost(c: AppContext): Promise<Domain | null> {
  const { directory } = c.get('deps')
  const meaning = c.get('host')
  switch (meaning.kind) {
    case 'apex':
      return null
    case 'slug':
      return requireFound(await directory.bySlug(meaning.slug), meaning.slug)
    case 'hostname':
      return requireFound(await directory.byHostname(meaning.hostname), meaning.hostname)
    case 'none':
      throw domainNotFound(authorityOf(c.req.url))
  }
}
