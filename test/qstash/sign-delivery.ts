import { createHash, createHmac, randomUUID } from 'node:crypto'

/** Credentials of the official development server. They are public; whoever uses them can talk to either server. */
export const devCredentials = {
  token: 'eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0=',
  currentSigningKey: 'sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r',
  nextSigningKey: 'sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs',
}

const lifetimeSeconds = 300

/**
 * Makes the `Upstash-Signature` of one delivery: an HS256 JWT that binds the body's SHA-256 to the destination URL
 * and expires after five minutes. `now` is in milliseconds.
 */
export function signDelivery(delivery: { url: string; body: Uint8Array }, key: string, now: number): string {
  const issuedAt = Math.floor(now / 1000)
  const claims = {
    iss: 'Upstash',
    sub: delivery.url,
    exp: issuedAt + lifetimeSeconds,
    nbf: issuedAt,
    iat: issuedAt,
    jti: `jwt_${randomUUID().replaceAll('-', '')}`,
    body: paddedBase64url(createHash('sha256').update(delivery.body).digest()),
  }
  const unsigned = `${encodePart({ alg: 'HS256', typ: 'JWT' })}.${encodePart(claims)}`
  return `${unsigned}.${createHmac('sha256', key).update(unsigned).digest('base64url')}`
}

function encodePart(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

/** QStash pads the digest, which the JWT's own parts never are; receivers must cope with it. */
function paddedBase64url(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}
