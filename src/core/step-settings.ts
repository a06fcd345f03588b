import { z } from 'zod'

const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'is no name such as "inspect": lower-case letters, digits and "-", 32 at most')

/** The most characters that the options of one step may have, as JSON. */
const maxOptionsLength = 4096

/** One step that a policy asks for. Whether there is such a step, and what its options are, `processing/` knows. */
export const stepSettingSchema = z.strictObject({
  step: name.describe('Which step: see docs/processing.md.'),
  as: name
    .optional()
    .describe('The name its result is kept under, where a policy has a step twice; else the step’s own.'),
  options: z
    .record(z.string(), z.unknown())
    .refine(
      (options) => JSON.stringify(options).length <= maxOptionsLength,
      `has more than ${maxOptionsLength} characters`,
    )
    .optional()
    .describe('What the step is to do; each step documents its own.'),
})
export type StepSetting = z.infer<typeof stepSettingSchema>

/** The steps of a policy, in the order in which they run. */
export const stepSettingsSchema = z
  .array(stepSettingSchema)
  .max(20)
  .refine(
    (settings) => new Set(settings.map(nameOfSetting)).size === settings.length,
    'names a step twice; give one of them another name by "as"',
  )

/** Under which name a step of a policy is shown, and its result kept. */
export function nameOfSetting({ step, as }: StepSetting): string {
  return as ?? step
}

/** The steps of both lists: those of the first as they are, then what only the second has. */
export function mergeSettings(first: readonly StepSetting[], second: readonly StepSetting[]): StepSetting[] {
  const names = new Set(first.map(nameOfSetting))
  return [...first, ...second.filter((setting) => !names.has(nameOfSetting(setting)))]
}

/** Whether every step of the first list is in the second as well, with the same options. */
export function includesSettings(first: readonly StepSetting[], second: readonly StepSetting[]): boolean {
  return first.every((wanted) =>
    second.some((setting) => nameOfSetting(setting) === nameOfSetting(wanted) && isSame(setting, wanted)),
  )
}

function isSame(one: StepSetting, other: StepSetting): boolean {
  return one.step === other.step && canonical(one.options ?? {}) === canonical(other.options ?? {})
}

/** JSON in which the order of members does not matter. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member) =>
    member !== null && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)))
      : member,
  )
}
