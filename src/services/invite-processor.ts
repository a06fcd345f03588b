import type { Domain } from '../core/domain.ts'
import type { Invitation, Question } from '../processing/http.ts'
import { type SigningSecrets, signTokenOrRefuse } from './tokens/signed-token.ts'

export interface InviteParts {
  /** Null when the domain is gone. */
  findDomain(id: string): Promise<Domain | null>
  /** What the domain signs its messages with, the current secret first. */
  secretsOf(domain: Domain): Promise<readonly string[]>
  signingSecrets: SigningSecrets
  /** The origin at which this deployment is reached from outside. */
  origin: string
  now(): number
}

/** Makes the addresses at which a processor reads the file of a question and answers it, until `until`. */
export async function inviteProcessor(
  { findDomain, secretsOf, signingSecrets, origin, now }: InviteParts,
  { file, step, attempt, until }: Question,
): Promise<Invitation> {
  const domain = await findDomain(file.domainId)
  if (!domain) throw new Error('The domain of this file is gone.')
  const token = await signTokenOrRefuse(signingSecrets, {
    kind: 'processor',
    aud: file.domainId,
    sub: file.id,
    generation: file.generation,
    attempt,
    step,
    iat: Math.floor(now() / 1000),
    exp: Math.ceil(until / 1000),
  })
  const at = (path: string) => {
    const url = new URL(`/v1/uploads/${file.id}/${path}`, origin)
    // The origin is the apex host, where a request says which domain it is for.
    url.search = new URLSearchParams({ domain: domain.slug, token }).toString()
    return url.href
  }
  return {
    domain: domain.slug,
    secrets: await secretsOf(domain),
    contentUrl: at('content'),
    answerUrl: at(`steps/${step}/answer`),
  }
}
