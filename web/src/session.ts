import { signal } from '@preact/signals'
import {
  type CredentialView,
  call,
  messageOf,
  type Scope,
  StevedoreError,
  useCredential,
  whenCredentialIsRefused,
} from './api.ts'
import { forgetPictures } from './thumbnails.ts'

/** Who is signed in, and what the credential may do. */
export interface Session extends CredentialView {
  /** The domain whose files are shown at first: a key's own; the administrator's choice. */
  readonly domain: string | null
}

export type SessionState =
  | { readonly kind: 'checking' }
  | { readonly kind: 'signed-out'; readonly reason: string | null }
  | { readonly kind: 'signed-in'; readonly session: Session }

export const sessionState = signal<SessionState>({ kind: 'checking' })

whenCredentialIsRefused(() => {
  if (sessionState.peek().kind === 'signed-in') signOut('Your key is not known any more. Sign in with another one.')
})

/** Kept for this tab, and gone with it. */
const storageKey = 'stevedore-session'

interface StoredSession {
  credential: string
  /** What the administrator chose. */
  domain: string | null
}

/** Signs in again after the page was loaded anew; in development, with what the page came with. */
export async function restoreSession(): Promise<void> {
  const stored = readStored() ?? developmentSession()
  if (!stored) {
    sessionState.value = { kind: 'signed-out', reason: null }
    return
  }
  try {
    await signIn(stored.credential, stored.domain)
  } catch (error) {
    if (error instanceof StevedoreError && error.status === 401) signOut(messageOf(error))
    // Nothing is known of the key: it is tried again when the page is loaded anew.
    else sessionState.value = { kind: 'signed-out', reason: messageOf(error) }
  }
}

/**
 * Signs in with a key or the administrator's token. Throws a `StevedoreError` when the server does not know it, and an
 * `Error` for a token that is made for less than a session.
 */
export async function signIn(credential: string, domain: string | null = null): Promise<void> {
  useCredential(credential)
  try {
    const view = await call<CredentialView>('GET', '/v1/credential')
    if (view.kind !== 'administrator' && view.kind !== 'key') {
      throw new Error(
        'This is a token for uploads or downloads. Sign in with a key, or with the administrator’s token.',
      )
    }
    const session = { ...view, domain: view.domain ?? domain }
    store({ credential, domain: session.domain })
    sessionState.value = { kind: 'signed-in', session }
  } catch (error) {
    useCredential(null)
    throw error
  }
}

/** Ends the session, and keeps nothing of it. `reason` is shown where one signs in. */
export function signOut(reason: string | null = null): void {
  useCredential(null)
  forgetPictures()
  sessionStorage.removeItem(storageKey)
  sessionState.value = { kind: 'signed-out', reason }
}

/** Notes which domain the administrator works with, so that it is still chosen after a reload. */
export function chooseDomain(domain: string): void {
  const state = sessionState.peek()
  const stored = readStored()
  if (state.kind !== 'signed-in' || state.session.kind !== 'administrator' || !stored) return
  if (state.session.domain === domain) return
  store({ ...stored, domain })
  sessionState.value = { kind: 'signed-in', session: { ...state.session, domain } }
}

/** The session of a signed-in page. */
export function requireSession(): Session {
  const state = sessionState.value
  if (state.kind !== 'signed-in') throw new Error('Nobody is signed in.')
  return state.session
}

/** Whether the credential may do what needs this scope; the administrator may do everything. */
export function mayDo(scope: Scope): boolean {
  return requireSession().scopes.includes(scope)
}

function store(session: StoredSession): void {
  sessionStorage.setItem(storageKey, JSON.stringify(session))
}

function readStored(): StoredSession | null {
  const text = sessionStorage.getItem(storageKey)
  return text === null ? null : (JSON.parse(text) as StoredSession)
}

/** In development the server tells the page what it may sign in with. */
function developmentSession(): StoredSession | null {
  const meta = document.querySelector<HTMLMetaElement>('meta[name="development-session"]')
  const { credential, domain } = meta?.dataset ?? {}
  return credential ? { credential, domain: domain ?? null } : null
}
