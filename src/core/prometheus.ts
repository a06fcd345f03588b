import type { Family } from './figures.ts'

/** The media type of what `renderFamily` writes: the text exposition format of Prometheus. */
export const prometheusType = 'text/plain; version=0.0.4; charset=utf-8'

/** The numbers of a metric for one combination of its labels; of a histogram those that `Tally` has. */
export interface Series {
  readonly labels: readonly string[]
  readonly numbers: readonly number[]
}

/** A metric with all its series, in the text exposition format 0.0.4. */
export function renderFamily(name: string, family: Family, series: readonly Series[]): string {
  const lines = [`# HELP ${name} ${escapeHelp(family.help)}`, `# TYPE ${name} ${family.type}`]
  for (const { labels, numbers } of series) {
    const pairs = family.labels.map((label, index) => `${label}="${escapeLabel(labels[index] ?? '')}"`)
    if (family.type === 'histogram') lines.push(...histogramLines(name, pairs, family.bounds ?? [], numbers))
    else lines.push(sample(name, pairs, numbers[0] ?? 0))
  }
  return `${lines.join('\n')}\n`
}

/** The buckets add up: each counts all that lies below its bound, as the format wants it. */
function histogramLines(
  name: string,
  pairs: readonly string[],
  bounds: readonly number[],
  numbers: readonly number[],
): string[] {
  let count = 0
  const buckets = [...bounds, '+Inf'].map((bound, index) => {
    count += numbers[index] ?? 0
    return sample(`${name}_bucket`, [...pairs, `le="${bound}"`], count)
  })
  return [...buckets, sample(`${name}_sum`, pairs, numbers.at(-1) ?? 0), sample(`${name}_count`, pairs, count)]
}

function sample(name: string, pairs: readonly string[], value: number): string {
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"')
}
