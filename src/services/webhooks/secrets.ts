import { randomBytes } from 'node:crypto'
import { previousSecretHours } from '../../core/webhook.ts'

/** A row that holds what signs. */
interface SecretRow {
  secret: string
  previousSecret: string | null
  previousSecretUntil: number | null
}

/** A new signing secret of 256 random bits, written as Standard Webhooks 1.0 says. */
export function makeSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

/** What signs at `now`: the present secret, and the one before it for a while after it was changed. */
export function secretsInForce({ secret, previousSecret, previousSecretUntil }: SecretRow, now: number): string[] {
  const isPreviousGood = previousSecret !== null && previousSecretUntil !== null && previousSecretUntil > now
  return isPreviousGood ? [secret, previousSecret] : [secret]
}

/** Until when a secret that is replaced at `now` still signs. */
export function previousUntil(now: number): number {
  return now + previousSecretHours * 3600_000
}
