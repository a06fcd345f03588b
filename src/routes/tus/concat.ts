import { z } from 'zod'
import { Refusal } from '../../core/errors.ts'
import type { Role } from '../../resumable/session.ts'

/** So many partial uploads make one file at most: each is a call of its own, and all must fit into a header. */
const mostPartials = 100

/**
 * What `Upload-Concat` (tus 1.0, concatenation) says an upload is for. The partial uploads of a final one are named by
 * their addresses, as paths or as URLs of this `origin`. Throws `request-invalid` for anything else.
 */
export function parseConcat(header: string | undefined, origin: string): Role {
  if (header === undefined) return { kind: 'file' }
  const value = header.trim()
  if (value === 'partial') return { kind: 'partial' }
  const [, list] = /^final;(.*)$/.exec(value) ?? []
  if (list === undefined) throw invalid('is either "partial", or "final;" with the addresses of partial uploads')
  const addresses = list.split(' ').filter((address) => address !== '')
  if (addresses.length === 0) throw invalid('names no partial upload after "final;"')
  if (addresses.length > mostPartials) throw invalid(`names more than ${mostPartials} partial uploads`)
  const partialIds = addresses.map((address) => idIn(address, origin))
  if (new Set(partialIds).size < partialIds.length) throw invalid('names a partial upload twice')
  return { kind: 'joined', partialIds }
}

function idIn(address: string, origin: string): string {
  const url = URL.parse(address, origin)
  const [, id] = /^\/v1\/tus\/([^/]+)$/.exec(url?.pathname ?? '') ?? []
  const known = z.uuid().safeParse(id)
  if (url?.host === new URL(origin).host && known.success) return known.data.toLowerCase()
  throw invalid(`names "${address.slice(0, 200)}", which is no upload by tus on this host`)
}

function invalid(reason: string): Refusal {
  return new Refusal('request-invalid', `The header Upload-Concat ${reason}.`, { facts: { field: 'Upload-Concat' } })
}
