import { Refusal } from '../../core/errors.ts'
import { judgeHostname, maxHostnames, parseHost, proofRecord } from '../../core/host.ts'
import type { Clock, TxtAnswer, TxtLookup } from '../../core/ports.ts'
import { type Database, violates } from '../../db/database.ts'
import { deleteHostname, findHostname, type Hostname, insertHostname, verifyHostname } from '../../db/hostnames.ts'
import type { DomainDirectory } from '../domain-directory.ts'
import type { ChangeFrom } from './change-domain.ts'

export interface HostnameParts {
  control: Database
  directory: Pick<DomainDirectory, 'forget'>
  baseDomain: string
  /** Looks TXT records up. */
  lookUpTxt: TxtLookup
  now: Clock
}

/** The hostname as it is kept. Throws `request-invalid` for one that nobody may have. */
export function requireHostname(text: string, baseDomain: string): string {
  const verdict = judgeHostname(text, baseDomain)
  if (verdict.ok) return verdict.hostname
  throw new Refusal('request-invalid', verdict.reason, { facts: { hostname: text.slice(0, 260) } })
}

/**
 * Claims a hostname for a domain. The administrator's word is proof enough; a manager's hostname routes when it is
 * verified. Throws `request-invalid`, `limit-reached`, and `hostname-taken` where it routes to another domain already.
 */
export async function addHostname(
  { control, directory, baseDomain, now }: HostnameParts,
  domainId: string,
  text: string,
  from: ChangeFrom,
): Promise<Hostname> {
  const createdAt = now()
  const hostname = requireHostname(text, baseDomain)
  const verifiedAt = from === 'administrator' ? createdAt : null
  const claim = { hostname, domainId, createdAt, verifiedAt }
  const added = await orTaken(hostname, () => insertHostname(control, claim, maxHostnames))
  if (!added) {
    throw new Refusal('limit-reached', `A domain has ${maxHostnames} hostnames at most. Remove one first.`, {
      facts: { limit: maxHostnames },
    })
  }
  directory.forget(domainId)
  return added
}

/**
 * Lets a claimed hostname route, after its TXT record was found or on the administrator's word. Throws
 * `hostname-not-found`, `hostname-unverified` with what DNS says instead, `unavailable` when DNS can't be asked, and
 * `hostname-taken`.
 */
export async function confirmHostname(
  parts: HostnameParts,
  domainId: string,
  text: string,
  from: ChangeFrom,
): Promise<Hostname> {
  const { control, directory, now } = parts
  const hostname = parseHost(text)
  const claimed = hostname === null ? undefined : await findHostname(control, domainId, hostname)
  if (!claimed) throw hostnameNotFound()
  if (claimed.verifiedAt !== null) return claimed
  if (from === 'manager') await requireProof(parts, claimed)
  const verified = await orTaken(claimed.hostname, () => verifyHostname(control, domainId, claimed.hostname, now()))
  if (!verified) throw hostnameNotFound()
  directory.forget(domainId)
  return verified
}

/** Gives a hostname up: it is free for others at once, though other isolates may go by it for 30 s. Throws `hostname-not-found`. */
export async function removeHostname(
  { control, directory }: Pick<HostnameParts, 'control' | 'directory'>,
  domainId: string,
  text: string,
): Promise<void> {
  const hostname = parseHost(text)
  if (hostname === null || !(await deleteHostname(control, domainId, hostname))) throw hostnameNotFound()
  directory.forget(domainId)
}

async function requireProof({ lookUpTxt }: HostnameParts, { hostname, domainId }: Hostname): Promise<void> {
  const record = proofRecord(hostname, domainId)
  const answer = await lookUpTxt(record.name)
  if (answer.kind === 'found' && answer.values.includes(record.value)) return
  if (answer.kind === 'unreachable') {
    throw new Refusal('unavailable', 'DNS could not be asked just now. Try again in a moment.', {
      retryAfterSeconds: 10,
      cause: new Error(answer.reason),
    })
  }
  throw new Refusal('hostname-unverified', `${sayWhatIsThere(answer, record.name)} ${sayWhatShould(record)}`, {
    facts: {
      hostname,
      record,
      dns: answer.kind === 'found' ? 'other-values' : answer.kind,
      found: foundValues(answer),
    },
  })
}

type Answered = Exclude<TxtAnswer, { kind: 'unreachable' }>

function sayWhatIsThere(answer: Answered, name: string): string {
  switch (answer.kind) {
    case 'found':
      return `The TXT records at ${name} have other values.`
    case 'no-record':
      return `DNS knows ${name}, but no TXT record there.`
    case 'no-name':
      return `DNS knows no name ${name} (NXDOMAIN).`
    case 'failed':
      return `The name servers of ${name} do not answer as they should (${answer.reason}).`
  }
}

function sayWhatShould({ name, value }: { name: string; value: string }): string {
  return `Add a TXT record "${value}" at ${name}; what DNS has answered before it may repeat for some minutes.`
}

/** A few of the values, for whoever has mistyped one. */
function foundValues(answer: Answered): string[] {
  return answer.kind === 'found' ? answer.values.slice(0, 5).map((value) => value.slice(0, 200)) : []
}

function hostnameNotFound(): Refusal {
  return new Refusal('hostname-not-found', 'This domain has no such hostname.')
}

async function orTaken<Result>(hostname: string, claim: () => Promise<Result>): Promise<Result> {
  try {
    return await claim()
  } catch (error) {
    if (violates(error, 'hostnames.hostname')) throw hostnameTaken([hostname])
    throw error
  }
}

/** The answer to a claim on names of which one routes to somebody else. */
export function hostnameTaken(hostnames: readonly string[]): Refusal {
  return new Refusal('hostname-taken', 'One of the hostnames belongs to a domain already.', { facts: { hostnames } })
}
