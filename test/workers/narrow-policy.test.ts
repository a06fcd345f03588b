import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judgeCallbackUrl } from '../../src/core/callback-url.ts'
import { narrow, widerFields } from '../../src/core/narrow-policy.ts'
import {
  allowsType,
  type MetadataRule,
  type Policy,
  type PolicyChange,
  policyChangeSchema,
  policySchema,
} from '../../src/core/policy.ts'
import { nameOfSetting } from '../../src/core/step-settings.ts'

const seed = 20_261_122
const policy = (fields: object = {}): Policy => policySchema.parse(fields)
const change = (fields: object): PolicyChange => policyChangeSchema.parse(fields)

const limit = fc.integer({ min: 1, max: 20 })
const orNone = fc.option(limit)
const types = fc.uniqueArray(
  fc.constantFrom('*/*', 'image/*', 'text/*', 'image/png', 'image/x-lading', 'text/csv', 'application/pdf'),
  { maxLength: 4 },
)
const words = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 })
const rule = fc.record({
  required: fc.boolean(),
  format: fc.constantFrom('text', 'integer', 'date'),
  maxLength: fc.constantFrom(1, 10, 2048),
  values: fc.option(fc.uniqueArray(fc.constantFrom('1', 'ab', '2026-01-31'), { minLength: 1 })),
})
const fields = {
  maxFileBytes: limit,
  maxRequestBytes: limit,
  maxFilesPerRequest: limit,
  allowedTypes: types,
  deniedTypes: types,
  confirmedTypes: types,
  allowedExtensions: words,
  metadata: fc.dictionary(fc.constantFrom('a', 'b', 'constructor'), rule),
  quotaBytes: orNone,
  quotaFiles: orNone,
  retentionDays: orNone,
  historyDays: limit,
  anonymousUpload: fc.boolean(),
  publicRead: fc.boolean(),
  allowedOrigins: fc.subarray(['https://a.example', 'https://b.example']),
  callbackHosts: fc.subarray(['a.example', '*.a.example', 'b.a.example', '*.b.a.example', 'c.example']),
  uploadsPerMinute: orNone,
  uploadsPerMinutePerClient: orNone,
  readsPerMinute: orNone,
  readsPerMinutePerClient: orNone,
  readBeforeComplete: fc.boolean(),
  steps: fc.subarray([{ step: 'inspect' }, { step: 'http', as: 'ocr', options: { url: 'https://a.example' } }]),
}
const administrators = fc.record(fields).map(policy)
const managers = fc.record(fields, { requiredKeys: [] }).map(change)

const outboundRules = { allowsLocal: false, baseDomain: 'stevedore.example' }

/** Everything that a policy can be asked, each beside its answer. Where a policy is narrower, fewer of these are true. */
function allowed(policy: Policy): Record<string, boolean> {
  const answers: [string, boolean][] = []
  const within = (name: string, limit: number | null) => {
    for (let value = 1; value <= 21; value++) answers.push([`${name} ${value}`, limit === null || value <= limit])
  }
  within('file', policy.maxFileBytes)
  within('request', policy.maxRequestBytes)
  within('files', policy.maxFilesPerRequest)
  within('quota bytes', policy.quotaBytes)
  within('quota files', policy.quotaFiles)
  within('days', policy.retentionDays)
  within('history', policy.historyDays)
  within('uploads', policy.uploadsPerMinute)
  within('uploads each', policy.uploadsPerMinutePerClient)
  within('reads', policy.readsPerMinute)
  within('reads each', policy.readsPerMinutePerClient)
  for (const type of ['image/png', 'image/x-lading', 'image/gif', 'text/csv', 'application/pdf', 'video/mp4']) {
    for (const isConfirmed of [true, false]) {
      answers.push([`${type} ${isConfirmed}`, allowsType(policy, { type, isConfirmed })])
    }
  }
  const { allowedExtensions } = policy
  const takesAny = allowsType(policy, { type: 'image/png', isConfirmed: true })
  for (const word of ['a', 'b', 'c', 'd']) {
    const isNamed = allowedExtensions.length === 0 || allowedExtensions.includes(word)
    answers.push([`.${word}`, isNamed], [`.${word} at all`, isNamed && takesAny])
  }
  for (const host of ['a.example', 'b.a.example', 'c.b.a.example', 'd.a.example', 'c.example', 'd.example']) {
    answers.push([`told ${host}`, judgeCallbackUrl(`https://${host}/`, policy.callbackHosts, outboundRules).ok])
  }
  for (const key of ['a', 'b', 'constructor', 'other']) {
    const rule = Object.hasOwn(policy.metadata, key) ? policy.metadata[key] : undefined
    for (const value of [undefined, '1', 'ab', '2026-01-31', 'x'.repeat(11)]) {
      answers.push([`${key}=${value}`, !rule || holds(rule, value)])
    }
  }
  answers.push(
    ['anonymous', policy.anonymousUpload],
    ['public', policy.publicRead],
    ['early', policy.readBeforeComplete],
  )
  for (const name of ['inspect', 'ocr']) {
    answers.push([`without ${name}`, !policy.steps.some((setting) => nameOfSetting(setting) === name)])
  }
  return Object.fromEntries(answers)
}

function holds(rule: MetadataRule, value: string | undefined): boolean {
  if (value === undefined) return !rule.required
  const shapes = { text: /^/, integer: /^-?\d+$/, date: /^\d{4}-\d\d-\d\d$/, uuid: /^[0-9a-f-]{36}$/, email: /@/ }
  return shapes[rule.format].test(value) && value.length <= rule.maxLength && (rule.values?.includes(value) ?? true)
}

/** The order of types and hosts says nothing. */
const unordered = (policy: Policy) => ({
  ...policy,
  allowedTypes: policy.allowedTypes.toSorted(),
  callbackHosts: policy.callbackHosts.toSorted(),
})

const trueOf = (answers: Record<string, boolean>) => Object.keys(answers).filter((name) => answers[name])

describe('a policy of two layers', () => {
  test('is never wider than the administrator’s, in nothing', () => {
    fc.assert(
      fc.property(administrators, managers, (administrator, manager) => {
        const outer = allowed(administrator)
        expect(trueOf(allowed(narrow(administrator, manager))).filter((name) => !outer[name])).toEqual([])
      }),
      { seed, numRuns: 500 },
    )
  })

  test('is never wider than the manager’s either, where a manager decides', () => {
    const his = ({ quotaBytes: _, quotaFiles: __, historyDays: ___, ...rest }: PolicyChange) => rest
    // Where no extension does for both layers, it is the types that take nothing.
    const isHis = (name: string) => !/^(quota|history|uploads|reads)|^\.\w$/.test(name)
    fc.assert(
      fc.property(administrators, managers, (administrator, manager) => {
        // A rule that the manager has not set is open.
        const open = { ...administrator, ...his(manager) } as Policy
        const own = allowed(open)
        expect(trueOf(allowed(narrow(administrator, manager))).filter((name) => isHis(name) && !own[name])).toEqual([])
      }),
      { seed, numRuns: 500 },
    )
  })

  test('is the same when it is narrowed once more', () => {
    fc.assert(
      fc.property(administrators, managers, (administrator, manager) => {
        const once = narrow(administrator, manager)
        expect(unordered(narrow(once, manager))).toEqual(unordered(once))
      }),
      { seed, numRuns: 500 },
    )
  })

  test('is the administrator’s where a manager has set nothing', () => {
    fc.assert(
      fc.property(administrators, (administrator) => {
        expect(narrow(administrator, {})).toEqual(administrator)
      }),
      { seed },
    )
  })

  test.each([
    [['image/*'], ['image/png'], ['image/png'], ['image/png']],
    [['*/*'], ['image/*', 'text/csv'], ['image/*', 'text/csv'], []],
    [['image/png', 'text/*'], ['image/*'], ['image/png'], ['image/png']],
    [['image/*'], ['*/*'], ['image/*'], []],
    [['image/*'], ['text/*'], [], []],
    [['image/*'], [], [], []],
    [['text/csv'], ['text/csv'], ['text/csv'], []],
  ])('types %j and %j are %j', (administrator, manager, allowedTypes, confirmedTypes) => {
    const both = narrow(policy({ allowedTypes: administrator }), change({ allowedTypes: manager }))
    expect(both).toMatchObject({ allowedTypes, confirmedTypes })
  })

  test.each([
    [['pdf', 'png'], ['png', 'gif'], { allowedExtensions: ['png'], allowedTypes: ['*/*'] }],
    [[], ['png'], { allowedExtensions: ['png'], allowedTypes: ['*/*'] }],
    [['png'], [], { allowedExtensions: ['png'], allowedTypes: ['*/*'] }],
    [['pdf'], ['png'], { allowedExtensions: ['pdf'], allowedTypes: [] }],
  ])('extensions %j and %j are %j', (administrator, manager, expected) => {
    expect(narrow(policy({ allowedExtensions: administrator }), change({ allowedExtensions: manager }))).toMatchObject(
      expected,
    )
  })
})

describe('what a manager sets', () => {
  const administrator = policy({
    maxFileBytes: 1000,
    allowedTypes: ['image/*', 'application/pdf'],
    allowedExtensions: ['png', 'pdf'],
    callbackHosts: ['*.a.example'],
    metadata: { invoice: { format: 'integer', maxLength: 10 }, note: { required: false, values: ['a', 'b'] } },
    retentionDays: 30,
    steps: [{ step: 'inspect' }, { step: 'http', options: { url: 'https://a.example', n: 1 } }],
  })

  test.each<[object, string[]]>([
    [{}, []],
    [{ maxFileBytes: 1000 }, []],
    [{ maxFileBytes: 1001 }, ['maxFileBytes']],
    [{ allowedTypes: ['image/png', 'application/pdf'] }, []],
    [{ allowedTypes: ['application/*'] }, ['allowedTypes']],
    [{ allowedTypes: ['*/*'] }, ['allowedTypes']],
    [{ deniedTypes: ['image/gif'], confirmedTypes: ['image/*'] }, []],
    [{ allowedExtensions: ['png'] }, []],
    [{ allowedExtensions: [] }, ['allowedExtensions']],
    [{ callbackHosts: [] }, []],
    [{ callbackHosts: ['b.a.example', '*.b.a.example'] }, []],
    [{ callbackHosts: ['a.example'] }, ['callbackHosts']],
    [{ allowedExtensions: ['png', 'gif'] }, ['allowedExtensions']],
    [{ retentionDays: 7 }, []],
    [{ retentionDays: null }, ['retentionDays']],
    [{ quotaBytes: 1 }, ['quotaBytes']],
    [{ historyDays: 1, uploadsPerMinute: 1 }, ['historyDays', 'uploadsPerMinute']],
    [{ anonymousUpload: false, publicRead: true }, ['publicRead']],
    [{ allowedOrigins: ['*'] }, []],
    [{ steps: [] }, ['steps']],
    [{ steps: [{ step: 'inspect' }] }, ['steps']],
    [
      {
        steps: [
          { step: 'http', options: { n: 1, url: 'https://a.example' } },
          { step: 'inspect', options: {} },
        ],
      },
      [],
    ],
    [{ steps: [{ step: 'inspect' }, { step: 'http', options: { url: 'https://a.example' } }] }, ['steps']],
    [{ metadata: { invoice: {}, other: { format: 'date' }, constructor: {} } }, []],
    [{ metadata: { invoice: { required: false } } }, ['metadata']],
    [{ metadata: { invoice: { format: 'uuid' } } }, ['metadata']],
    [{ metadata: { invoice: { maxLength: 11 } } }, ['metadata']],
    [{ metadata: { note: { values: ['a'] } } }, []],
    [{ metadata: { note: { values: ['a', 'c'] } } }, ['metadata']],
  ])('%j is wider in %j', (fields, wider) => {
    expect(widerFields(administrator, change(fields)).map(({ field }) => field)).toEqual(wider)
  })

  test('is told beside the administrator’s value', () => {
    expect(widerFields(administrator, change({ maxFileBytes: 1001, quotaFiles: 5 }))).toEqual([
      { field: 'maxFileBytes', limit: 1000, value: 1001, isAdministrators: false },
      { field: 'quotaFiles', limit: null, value: 5, isAdministrators: true },
    ])
  })

  test('is what was given, and no default beside it', () => {
    expect(change({ maxFileBytes: 7 })).toEqual({ maxFileBytes: 7 })
    expect(policyChangeSchema.safeParse({ maxFileBytes: -1 }).success).toBe(false)
    expect(policyChangeSchema.safeParse({ maxBytes: 1 }).success).toBe(false)
  })

  test('two formats at once leave no value', () => {
    const both = narrow(
      policy({ metadata: { day: { format: 'date' } } }),
      change({ metadata: { day: { format: 'integer' } } }),
    )
    expect(both.metadata.day).toMatchObject({ required: true, values: [] })
  })
})
