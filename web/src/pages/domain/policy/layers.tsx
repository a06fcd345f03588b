import type { ComponentChildren } from 'preact'
import type { Domain, Policy } from '../../../administration.ts'
import type { Schema } from '../../../description.ts'
import { formatValue, kindOf } from './kinds.ts'

/** Who edits a policy: each sets a layer of his own, and in force is the narrower of both. */
export type Author = 'administrator' | 'manager'

/** What an author sees to edit: the administrator what he allows, a manager what is in force. */
export function layerOf(domain: Domain, author: Author): Policy {
  return author === 'administrator' ? domain.administratorPolicy : domain.policy
}

export function isLocked(author: Author, schema: Schema): boolean {
  return author === 'manager' && schema['x-set-by'] === 'administrator'
}

/** What is to be known of the other layer at a field. */
export function noteOf(domain: Domain, author: Author, name: string, schema: Schema): ComponentChildren {
  if (isLocked(author, schema)) return <span class="note"> Only the administrator sets this.</span>
  if (!Object.hasOwn(domain.managerPolicy, name)) return null
  if (author === 'manager') return <span class="note"> Set by you, or another manager.</span>
  const inForce = domain.policy[name]
  if (isSame(inForce, domain.administratorPolicy[name])) return null
  return <span class="note"> Narrowed by the domain’s manager to: {formatValue(kindOf(name, schema), inForce)}.</span>
}

export function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
