import { createMiddleware } from 'hono/factory'
import { secureHeaders } from 'hono/secure-headers'
import type { AppContext, AppEnv } from '../context.ts'
import { Refusal } from '../core/errors.ts'

/** On a domain's own host there are no pages, and nothing says that there are any elsewhere. */
export const onApexHost = createMiddleware<AppEnv>(async function onApexHost(c, next) {
  if (c.var.host.kind !== 'apex') throw nothingHere()
  await next()
})

/**
 * The headers of a page that needs nothing but its own files, what this host answers, and pictures of its own or from
 * `alsoPictures`, a source of the Content Security Policy (CSP3 §2.3.1).
 */
export function pageHeaders(alsoPictures: 'blob:' | 'data:') {
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'", alsoPictures],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
    referrerPolicy: 'no-referrer',
    xFrameOptions: 'DENY',
    // Whether a host is only ever asked over HTTPS is the operator's to say, and holds for more than its pages.
    strictTransportSecurity: false,
  })
}

/** A file of `dist/web`. Throws `route-not-found` where there is none, as in a deployment without static assets. */
async function staticFile(c: AppContext): Promise<Response> {
  // Without the client's conditions: what is cached here is either never asked for again, or a page of one kilobyte.
  const found = await c.var.deps.env.ASSETS?.fetch(c.req.url, { method: c.req.method })
  if (found?.status !== 200) throw nothingHere()
  return new Response(found.body, found)
}

/** A page, which names the files that belong to it, and so must be asked for each time. */
export async function staticPage(c: AppContext): Promise<Response> {
  const page = await staticFile(c)
  page.headers.set('Cache-Control', 'no-cache')
  return page
}

/** A file whose name holds a hash of what is in it. */
export async function hashedFile(c: AppContext): Promise<Response> {
  const file = await staticFile(c)
  file.headers.set('Cache-Control', 'public, max-age=31536000, immutable')
  return file
}

function nothingHere(): Refusal {
  return new Refusal('route-not-found', 'There is nothing at this address. See /openapi.json for what there is.')
}
