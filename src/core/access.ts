import type { Domain } from './domain.ts'
import { Refusal } from './errors.ts'

/** The scopes of an API key. */
export const scopes = ['upload', 'read', 'delete', 'manage'] as const
export type Scope = (typeof scopes)[number]

/** Who sends a request. The credential says who; `requireAccess` says what that one may do. */
export type Credential =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'administrator' }
  | {
      readonly kind: 'key'
      readonly keyId: string
      readonly domainId: string
      readonly scopes: readonly Scope[]
    }

/** What a request is about to do in a domain, and the scope a key needs for it. */
const neededScope = {
  upload: 'upload',
  read: 'read',
  list: 'read',
  reprocess: 'upload',
  delete: 'delete',
} as const satisfies Record<string, Scope>
export type Action = keyof typeof neededScope

/**
 * Throws unless `credential` may do this in `domain`, and the domain does it at all: a suspended one takes no uploads. A key of another domain is answered like a key that does not
 * exist. Listing is never public: whoever may read a file knows its id, which can't be guessed.
 */
export function requireAccess(credential: Credential, action: Action, domain: Domain): void {
  requireCredential(credential, action, domain)
  if (action === 'upload' && domain.suspendedAt !== null) {
    throw new Refusal('domain-suspended', `The domain "${domain.slug}" takes no uploads at present. Ask its operator.`)
  }
}

function requireCredential(credential: Credential, action: Action, domain: Domain): void {
  if (credential.kind === 'administrator') return
  if (credential.kind === 'key' && credential.domainId !== domain.id) throw unknownCredential()
  if (isOpen(action, domain)) return
  if (credential.kind === 'anonymous') {
    throw new Refusal(
      'credential-required',
      `The domain "${domain.slug}" does not allow this without a credential. Send one as "Authorization: Bearer …".`,
    )
  }
  const scope = neededScope[action]
  if (!credential.scopes.includes(scope)) {
    throw new Refusal('forbidden', `This key lacks the scope "${scope}", which this request needs.`, {
      facts: { scope },
    })
  }
}

/** The answer to a credential that nobody issued, that has ended, or that belongs to another domain. */
export function unknownCredential(): Refusal {
  return new Refusal('credential-invalid', 'This credential is not known here. Check it, or ask for a new one.')
}

function isOpen(action: Action, domain: Domain): boolean {
  if (action === 'upload') return domain.policy.anonymousUpload
  return action === 'read' && domain.policy.publicRead
}
