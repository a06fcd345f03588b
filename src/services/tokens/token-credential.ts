import { type Credential, unknownCredential } from '../../core/access.ts'
import type { TokenClaims } from '../../core/token.ts'
import { openToken, type SigningSecrets } from './signed-token.ts'

/** Where a request may carry a token, and which kinds count there: an address is copied about, a header is not. */
const acceptedKinds = {
  header: ['upload', 'read'],
  query: ['read', 'link', 'processor'],
} as const satisfies Record<string, readonly TokenClaims['kind'][]>
export type TokenPlace = keyof typeof acceptedKinds

/**
 * Who presents this token. Throws `credential-invalid` for one that nobody here has signed, that has ended, or that
 * does not count in this place.
 */
export async function authenticateToken(
  secrets: SigningSecrets,
  text: string,
  place: TokenPlace,
  now: number,
): Promise<Credential> {
  const claims = await openToken(secrets, text, now)
  const accepted: readonly string[] = acceptedKinds[place]
  if (!claims || !accepted.includes(claims.kind)) throw unknownCredential()
  return toCredential(claims)
}

function toCredential(claims: TokenClaims): Credential {
  const domainId = claims.aud
  switch (claims.kind) {
    case 'upload': {
      const { kind: _kind, aud: _aud, iat: _iat, nbf: _nbf, exp, jti, key, ...limits } = claims
      return { kind: 'upload-token', tokenId: jti, domainId, keyId: key, expiresAt: exp * 1000, limits }
    }
    case 'read':
      return { kind: 'read-token', domainId, fileId: claims.sub, link: null }
    case 'link':
      return { kind: 'read-token', domainId, fileId: claims.sub, link: { filename: claims.filename ?? null } }
    case 'processor': {
      const { sub: fileId, generation, attempt, step } = claims
      return { kind: 'processor', domainId, fileId, generation, attempt, step }
    }
  }
}
