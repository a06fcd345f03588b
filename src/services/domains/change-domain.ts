import { Refusal } from '../../core/errors.ts'
import { narrow, type WiderField, widerFields } from '../../core/narrow-policy.ts'
import { type Policy, type PolicyChange, storedPolicy } from '../../core/policy.ts'
import type { Clock } from '../../core/ports.ts'
import { type AccountRecord, changeAccount } from '../../db/account-changes.ts'
import type { Steps } from '../../processing/step.ts'
import type { DomainDirectory } from '../domain-directory.ts'
import { type DomainRecord, type FindParts, findOpenDomain } from './find-domain.ts'
import { requireRunnable } from './require-runnable.ts'

/** Who changes a domain decides which layer of its policy is meant. */
export type ChangeFrom = 'administrator' | 'manager'

export interface DomainChange {
  policy?: PolicyChange | undefined
  /** Null drops what the manager has set so far. */
  managerPolicy?: null | undefined
  suspended?: boolean | undefined
}

/** How often a change is tried that others keep getting ahead of. */
const maxTries = 5

/**
 * Changes some fields of a domain's policy, and whether it is suspended: commits go by it from this moment. Throws
 * `domain-not-found`, `request-invalid` for steps that the deployment can't run, and for a manager `policy-too-wide` where he asks for more than the administrator allows, and
 * `forbidden` for what is the administrator's alone.
 */
export async function changeDomain(
  parts: FindParts & { directory: Pick<DomainDirectory, 'forget'>; steps: Steps; now: Clock },
  slug: string,
  change: DomainChange,
  from: ChangeFrom,
): Promise<DomainRecord> {
  if (from === 'manager' && change.suspended !== undefined) {
    throw new Refusal('forbidden', 'Only the administrator of this deployment suspends a domain.')
  }
  for (let tried = 0; tried < maxTries; tried++) {
    const record = await findOpenDomain(parts, slug)
    const before = change.managerPolicy === null ? { ...record.account, managerPolicy: {} } : record.account
    const policies =
      from === 'administrator'
        ? changedByAdministrator(before, change.policy ?? {})
        : changedByManager(before, change.policy ?? {})
    // A change of something else must not fail where the deployment has lost a step since.
    if (change.policy?.steps ?? change.policy?.readBeforeComplete) requireRunnable(parts.steps, policies.policy)
    const account = await changeAccount(record.place.db, record.account, {
      ...policies,
      suspendedAt: suspension(record.account, change.suspended, parts.now()),
    })
    if (!account) continue
    parts.directory.forget(record.name.id)
    return { ...record, account }
  }
  throw new Refusal('busy', 'Others are changing this domain at the same time. Try again.', { retryAfterSeconds: 1 })
}

function suspension(account: AccountRecord, isWanted: boolean | undefined, now: number): number | null {
  if (isWanted === undefined) return account.suspendedAt
  return isWanted ? (account.suspendedAt ?? now) : null
}

type Policies = Pick<AccountRecord, 'policy' | 'administratorPolicy' | 'managerPolicy'>

function changedByAdministrator({ administratorPolicy, managerPolicy }: Policies, change: PolicyChange): Policies {
  const outer: Policy = storedPolicy({ ...administratorPolicy, ...given(change) })
  return { policy: narrow(outer, managerPolicy), administratorPolicy: outer, managerPolicy }
}

function changedByManager({ administratorPolicy, managerPolicy }: Policies, change: PolicyChange): Policies {
  const wider = widerFields(administratorPolicy, given(change))
  if (wider.length > 0) throw tooWide(wider)
  const own = { ...managerPolicy, ...given(change) }
  return { policy: narrow(administratorPolicy, own), administratorPolicy, managerPolicy: own }
}

/** The fields that a change has a value for. */
function given(change: PolicyChange): Partial<Policy> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
}

function tooWide(fields: readonly WiderField[]): Refusal {
  const problems = fields.map(({ field, limit, value, isAdministrators }) => ({
    at: `json.policy.${field}`,
    message: isAdministrators ? 'is for the administrator to set' : 'is wider than what the administrator allows',
    limit,
    value,
  }))
  const [first] = problems
  return new Refusal(
    'policy-too-wide',
    `${first?.at} ${first?.message}, which is ${JSON.stringify(first?.limit)?.slice(0, 200)}.`,
    { facts: { problems } },
  )
}
