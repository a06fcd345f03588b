import type { Domain } from './domain.ts'
import { Refusal } from './errors.ts'
import type { UploadToken } from './upload-token.ts'

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
      /** Milliseconds since 1970; null for one that never ends. What it signs ends with it. */
      readonly expiresAt: number | null
    }
  | ({ readonly kind: 'upload-token' } & UploadToken)
  | {
      /** Reads one file. */
      readonly kind: 'read-token'
      readonly domainId: string
      readonly fileId: string
      /** Null: a token for the whole file. Else a download link, for its content alone, with a name to save it under. */
      readonly link: { readonly filename: string | null } | null
    }
  | {
      /** Reads one file while it is in this generation's processing, and answers what one step has asked in one attempt. */
      readonly kind: 'processor'
      readonly domainId: string
      readonly fileId: string
      readonly generation: number
      readonly attempt: number
      readonly step: string
    }

/** What a request is about to do in a domain, and the scope a key needs for it. */
const neededScope = {
  upload: 'upload',
  /** To ask how far an upload is that one may go on with, and to give it up; also where nothing new is taken. */
  'resume-upload': 'upload',
  read: 'read',
  'read-content': 'read',
  list: 'read',
  reprocess: 'upload',
  delete: 'delete',
  'make-upload-token': 'upload',
  'make-link': 'read',
  'answer-step': 'manage',
} as const satisfies Record<string, Scope>
export type Action = keyof typeof neededScope

/**
 * Throws unless `credential` may do this in `domain`, to the file with `fileId` where it concerns one, and the domain
 * does it at all: a suspended one takes no uploads. A credential of another domain is answered like one that does not
 * exist. Listing is never public: whoever may read a file knows its id, which can't be guessed.
 */
export function requireAccess(
  credential: Credential,
  action: Action,
  domain: Domain,
  fileId: string | null = null,
): void {
  requireCredential(credential, action, domain, fileId)
  if ((action === 'upload' || action === 'make-upload-token') && domain.suspendedAt !== null) {
    throw new Refusal('domain-suspended', `The domain "${domain.slug}" takes no uploads at present. Ask its operator.`)
  }
}

/** The upload token that a request was sent with, if that is what it was sent with. */
export function uploadTokenOf(credential: Credential): UploadToken | null {
  return credential.kind === 'upload-token' ? credential : null
}

function requireCredential(credential: Credential, action: Action, domain: Domain, fileId: string | null): void {
  if (credential.kind === 'administrator') return
  if (credential.kind !== 'anonymous' && credential.domainId !== domain.id) throw unknownCredential()
  if (isOpen(action, domain)) return
  switch (credential.kind) {
    case 'anonymous':
      throw new Refusal(
        'credential-required',
        `The domain "${domain.slug}" does not allow this without a credential. Send one as "Authorization: Bearer …".`,
      )
    case 'key':
      requireScope(credential.scopes, neededScope[action])
      return
    case 'upload-token':
      if (action === 'upload' || action === 'resume-upload') return
      throw new Refusal('forbidden', 'An upload token is good for uploads, and for nothing else.')
    case 'read-token':
      if (credential.fileId !== fileId) throw new Refusal('forbidden', 'This token reads one upload, and no other.')
      if (action === 'read-content' || (action === 'read' && !credential.link)) return
      throw new Refusal('forbidden', 'This token reads, and a download link reads the content alone.')
    case 'processor':
      if (credential.fileId === fileId && (action === 'read-content' || action === 'answer-step')) return
      throw new Refusal('forbidden', 'This token is for the content of one upload, and for the answer of one step.')
  }
}

function requireScope(scopes: readonly Scope[], scope: Scope): void {
  if (scopes.includes(scope)) return
  throw new Refusal('forbidden', `This key lacks the scope "${scope}", which this request needs.`, {
    facts: { scope },
  })
}

/** The answer to a credential that nobody issued, that has ended, or that belongs to another domain. */
export function unknownCredential(): Refusal {
  return new Refusal('credential-invalid', 'This credential is not known here. Check it, or ask for a new one.')
}

function isOpen(action: Action, domain: Domain): boolean {
  if (action === 'upload' || action === 'resume-upload') return domain.policy.anonymousUpload
  return (action === 'read' || action === 'read-content') && domain.policy.publicRead
}
