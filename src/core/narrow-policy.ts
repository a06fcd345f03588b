import { matchesCallbackHost } from './callback-url.ts'
import { type DomainPolicy, type MetadataRule, matchesType, maxMetadataBytes, type PolicyChange } from './policy.ts'
import { includesSettings, mergeSettings } from './step-settings.ts'

/**
 * How two layers of a policy come together, for each field: `narrow` gives the narrower of two values, `isWider` says
 * whether the manager's goes beyond the administrator's. `administrator` fields are his alone.
 */
type Rule<Value> =
  | 'administrator'
  | { narrow(administrator: Value, manager: Value): Value; isWider(administrator: Value, manager: Value): boolean }

const least: Rule<number> = { narrow: Math.min, isWider: (administrator, manager) => manager > administrator }

/** A limit of which null is none. */
const leastOrNone: Rule<number | null> = {
  narrow: (administrator, manager) =>
    administrator === null || manager === null ? (administrator ?? manager) : Math.min(administrator, manager),
  isWider: (administrator, manager) => administrator !== null && (manager === null || manager > administrator),
}

const both: Rule<boolean> = {
  narrow: (administrator, manager) => administrator && manager,
  isWider: (administrator, manager) => manager && !administrator,
}

const union: Rule<string[]> = {
  narrow: (administrator, manager) => merge(administrator, manager),
  isWider: () => false,
}

const rules: { readonly [Field in keyof DomainPolicy]: Rule<DomainPolicy[Field]> } = {
  maxFileBytes: least,
  maxRequestBytes: least,
  maxFilesPerRequest: least,
  allowedTypes: {
    narrow: commonTypes,
    isWider: (administrator, manager) =>
      manager.some((pattern) => !administrator.some((outer) => commonType(outer, pattern) === pattern)),
  },
  // Adding to either of these only ever refuses more.
  deniedTypes: union,
  confirmedTypes: union,
  allowedExtensions: {
    // None is no limit, so two lists that have nothing in common are no empty list: see `narrow`.
    narrow: (administrator, manager) => commonExtensions(administrator, manager) ?? administrator,
    isWider: (administrator, manager) =>
      administrator.length > 0 && (manager.length === 0 || manager.some((text) => !administrator.includes(text))),
  },
  metadata: { narrow: narrowMetadata, isWider: isWiderMetadata },
  quotaBytes: 'administrator',
  quotaFiles: 'administrator',
  retentionDays: leastOrNone,
  historyDays: 'administrator',
  anonymousUpload: both,
  publicRead: both,
  // Which pages may use a domain is its owner's own affair.
  allowedOrigins: { narrow: (_administrator, manager) => manager, isWider: () => false },
  uploadsPerMinute: 'administrator',
  uploadsPerMinutePerClient: 'administrator',
  readsPerMinute: 'administrator',
  readsPerMinutePerClient: 'administrator',
  readBeforeComplete: both,
  callbackHosts: {
    narrow: (administrator, manager) =>
      merge(
        manager.filter((host) => isWithin(administrator, host)),
        administrator.filter((host) => isWithin(manager, host)),
      ),
    isWider: (administrator, manager) => !manager.every((host) => isWithin(administrator, host)),
  },
  steps: {
    // A step less, or one with other options, would look at files less closely than the administrator wants.
    narrow: mergeSettings,
    isWider: (administrator, manager) => !includesSettings(administrator, manager),
  },
}

/** Whether a field of a policy is for the administrator alone to set. */
export function isAdministratorField(field: string): boolean {
  return Object.hasOwn(rules, field) && rules[field as keyof DomainPolicy] === 'administrator'
}

const fields = Object.keys(rules) as (keyof DomainPolicy)[]

/**
 * The policy in force where an administrator gives the outer bound and a manager has set some fields: in each field the
 * narrower of the two, so that it is never wider than the administrator's, whichever of them was changed last.
 */
export function narrow(administrator: DomainPolicy, manager: PolicyChange): DomainPolicy {
  const policy: DomainPolicy = { ...administrator }
  for (const field of fields) narrowField(policy, field, administrator, manager)
  if (manager.allowedTypes) {
    const unshown = policy.allowedTypes.filter(
      (pattern) => !isListed(administrator.allowedTypes, pattern) || !isListed(manager.allowedTypes ?? [], pattern),
    )
    policy.confirmedTypes = merge(
      policy.confirmedTypes,
      unshown.filter((pattern) => !pattern.endsWith('/*')),
    )
  }
  // No name would do for both of them.
  if (commonExtensions(administrator.allowedExtensions, manager.allowedExtensions ?? []) === null) {
    policy.allowedTypes = []
  }
  return policy
}

/** A field in which a manager asks for more than he may give. */
export interface WiderField {
  field: keyof DomainPolicy
  /** The administrator's value. */
  limit: unknown
  /** The manager's. */
  value: unknown
  isAdministrators: boolean
}

/** The fields in which a manager's change goes beyond what the administrator allows: none when it may be made. */
export function widerFields(administrator: DomainPolicy, manager: PolicyChange): WiderField[] {
  return fields
    .filter((field) => manager[field] !== undefined && isWider(field, administrator, manager))
    .map((field) => ({
      field,
      limit: administrator[field],
      value: manager[field],
      isAdministrators: isAdministratorField(field),
    }))
}

function narrowField<Field extends keyof DomainPolicy>(
  policy: DomainPolicy,
  field: Field,
  administrator: DomainPolicy,
  manager: PolicyChange,
): void {
  const rule: Rule<DomainPolicy[Field]> = rules[field]
  const value = manager[field] as DomainPolicy[Field] | undefined
  if (rule !== 'administrator' && value !== undefined) policy[field] = rule.narrow(administrator[field], value)
}

function isWider<Field extends keyof DomainPolicy>(
  field: Field,
  administrator: DomainPolicy,
  manager: PolicyChange,
): boolean {
  const rule: Rule<DomainPolicy[Field]> = rules[field]
  return rule === 'administrator' || rule.isWider(administrator[field], manager[field] as DomainPolicy[Field])
}

/** The patterns that stand for what both lists allow; none means that nothing is. */
function commonTypes(administrator: string[], manager: string[]): string[] {
  const common = administrator.flatMap((outer) => manager.map((pattern) => commonType(outer, pattern)))
  return merge(
    [],
    common.filter((pattern) => pattern !== null),
  )
}

/** The narrower of two patterns, of which one is a part of the other; null when they have nothing in common. */
function commonType(one: string, other: string): string | null {
  if (matchesType(one, other)) return other
  return matchesType(other, one) ? one : null
}

/**
 * Whether a list takes a type also on the client's word alone, as it does where it has it by its name. A name that one
 * list has only within a group must still be shown by the bytes.
 */
function isListed(patterns: readonly string[], type: string): boolean {
  return patterns.includes(type) || patterns.includes('*/*')
}

/** The extensions that both lists allow, where an empty list allows every one; null when there is none. */
function commonExtensions(administrator: string[], manager: string[]): string[] | null {
  if (administrator.length === 0) return manager
  if (manager.length === 0) return administrator
  const common = administrator.filter((extension) => manager.includes(extension))
  return common.length === 0 ? null : common
}

/** Whether one of these patterns stands for everything that a host, or a pattern of hosts, stands for. */
function isWithin(patterns: readonly string[], host: string): boolean {
  return patterns.some((pattern) => matchesCallbackHost(pattern, host))
}

type MetadataRules = DomainPolicy['metadata']

/** The rules of both: a key that either of them knows, with everything that either asks of it. */
function narrowMetadata(administrator: MetadataRules, manager: MetadataRules): MetadataRules {
  const keys = merge(Object.keys(administrator), Object.keys(manager))
  return Object.fromEntries(
    keys.map((key) => {
      const [outer, own] = [ruleOf(administrator, key), ruleOf(manager, key)]
      return [key, outer && own ? bothRules(outer, own) : ((outer ?? own) as MetadataRule)]
    }),
  )
}

function bothRules(administrator: MetadataRule, manager: MetadataRule): MetadataRule {
  const values =
    administrator.values && manager.values
      ? administrator.values.filter((value) => manager.values?.includes(value))
      : (administrator.values ?? manager.values)
  return {
    required: administrator.required || manager.required,
    format: administrator.format === 'text' ? manager.format : administrator.format,
    maxLength: Math.min(administrator.maxLength, manager.maxLength),
    // No value is written in two formats at once.
    values: haveOneFormat(administrator, manager) ? values : [],
  }
}

/**
 * A member that was left at its default claims nothing, and so is no wider than anything. That of `maxLength` is as much
 * as metadata can have.
 */
function isWiderMetadata(administrator: MetadataRules, manager: MetadataRules): boolean {
  return Object.keys(manager).some((key) => {
    const [outer, own] = [ruleOf(administrator, key), ruleOf(manager, key)]
    if (!outer || !own) return false
    return (
      (outer.required && !own.required) ||
      !haveOneFormat(outer, own) ||
      (own.maxLength > outer.maxLength && own.maxLength < maxMetadataBytes) ||
      (outer.values !== null && (own.values?.some((value) => !outer.values?.includes(value)) ?? false))
    )
  })
}

function haveOneFormat(one: MetadataRule, other: MetadataRule): boolean {
  return one.format === 'text' || other.format === 'text' || one.format === other.format
}

/** Keys are a client's text: `constructor` is one like any other. */
function ruleOf(rules: MetadataRules, key: string): MetadataRule | undefined {
  return Object.hasOwn(rules, key) ? rules[key] : undefined
}

function merge<Item>(one: readonly Item[], other: readonly Item[]): Item[] {
  return [...new Set([...one, ...other])]
}
