/**
 * An API key is `stv_`, the id of its domain and 256 random bits, both in base64url: secret scanners recognise it, and
 * the database that knows it is found without asking another one first.
 */
const prefix = 'stv_'
const domainCharacters = 22
const secretCharacters = 43
const shape = new RegExp(`^${prefix}[A-Za-z0-9_-]{${domainCharacters + secretCharacters}}$`)

/** Writes a key down. `secret` is 32 random bytes. */
export function formatApiKey(domainId: string, secret: Uint8Array): string {
  const id = Uint8Array.from(domainId.replaceAll('-', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  return prefix + base64url(id) + base64url(secret)
}

/** The id of the domain that a key says it is for; null for what has not the shape of a key. */
export function domainOfApiKey(text: string): string | null {
  if (!shape.test(text)) return null
  const bytes = atob(
    text
      .slice(prefix.length, prefix.length + domainCharacters)
      .replaceAll('-', '+')
      .replaceAll('_', '/'),
  )
  const digits = Array.from(bytes, (character) => character.charCodeAt(0).toString(16).padStart(2, '0')).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
