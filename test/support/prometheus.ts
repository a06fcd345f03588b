/** A metric as a scraper reads it. */
export interface ReadFamily {
  type: string
  help: string
  samples: { name: string; labels: Record<string, string>; value: number }[]
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const sampleForm = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const labelForm = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/gy
const numberForm = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/

/**
 * Reads the text exposition format 0.0.4 of Prometheus, and throws at the first thing that is not as the format, or as
 * its conventions, have it: a sample without its family, a family in two places, a series twice, a counter below zero, a
 * histogram whose buckets do not add up.
 */
export function parsePrometheus(text: string): Map<string, ReadFamily> {
  if (!text.endsWith('\n')) throw new Error('The last line does not end.')
  const families = new Map<string, ReadFamily>()
  let current: { name: string; family: ReadFamily } | undefined
  const seen = new Set<string>()
  for (const line of text.slice(0, -1).split('\n')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (keyword === 'HELP') {
      if (!metricName.test(name) || families.has(name)) throw new Error(`A second or bad family: ${line}`)
      current = { name, family: { type: '', help: rest, samples: [] } }
      families.set(name, current.family)
    } else if (keyword === 'TYPE') {
      if (current?.name !== name || current.family.type !== '') throw new Error(`A type without its help: ${line}`)
      if (!['counter', 'gauge', 'histogram'].includes(rest)) throw new Error(`No such type: ${line}`)
      current.family.type = rest
    } else {
      const sample = parseSample(line)
      if (!current || !belongs(sample.name, current)) throw new Error(`A sample of no family: ${line}`)
      const series = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`
      if (seen.has(series)) throw new Error(`The same series twice: ${line}`)
      seen.add(series)
      current.family.samples.push(sample)
    }
  }
  for (const [name, family] of families) check(name, family)
  return families
}

function parseSample(line: string) {
  const [, name = '', inner, number = ''] = sampleForm.exec(line) ?? []
  if (name === '' || !numberForm.test(number)) throw new Error(`No sample: ${line}`)
  const labels: Record<string, string> = {}
  let length = 0
  for (const [whole, label = '', value = ''] of (inner ?? '').matchAll(labelForm)) {
    if (label in labels) throw new Error(`A label twice: ${line}`)
    labels[label] = value.replace(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped))
    length += whole.length
  }
  if (length !== (inner ?? '').length) throw new Error(`Labels that are none: ${line}`)
  return { name, labels, value: Number(number.replace('Inf', 'Infinity')) }
}

function belongs(sample: string, { name, family }: { name: string; family: ReadFamily }): boolean {
  if (family.type !== 'histogram') return sample === name && family.type !== ''
  return [`${name}_bucket`, `${name}_sum`, `${name}_count`].includes(sample)
}

function check(name: string, { type, samples }: ReadFamily): void {
  if (type === '') throw new Error(`${name} has no type.`)
  if (type === 'counter' && !name.endsWith('_total')) throw new Error(`The counter ${name} is not named as one.`)
  if (type !== 'gauge' && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} is below zero.`)
  if (type !== 'histogram') return
  for (const { labels, value: count } of samples.filter((sample) => sample.name === `${name}_count`)) {
    const buckets = samples.filter(
      (sample) =>
        sample.name === `${name}_bucket` &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )
    const bounds = buckets.map((bucket) => Number(bucket.labels.le?.replace('Inf', 'Infinity')))
    const isRising = (numbers: number[]) =>
      numbers.every((number, index) => index === 0 || number >= numbers[index - 1]!)
    if (new Set(bounds).size !== bounds.length || !isRising(bounds)) throw new Error(`${name} has bad bounds.`)
    if (!isRising(buckets.map(({ value }) => value))) throw new Error(`The buckets of ${name} do not add up.`)
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || buckets.at(-1)?.value !== count)
      throw new Error(`The last bucket of ${name} is not all.`)
  }
}
