import type { Row } from './row.ts'

const header = ['Measure', 'Ours', 'Other', 'Ratio (lowest to highest)', 'Target', 'Met']

/** The rows as a Markdown table, padded so that it reads well in a terminal too. */
export function formatTable(rows: readonly Row[]): string {
  const lines = [header, ...rows.map(cellsOf)]
  const widths = header.map((_, column) => Math.max(3, ...lines.map((line) => (line[column] as string).length)))
  const format = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`
  const [head, ...body] = lines.map(format)
  return [head, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body].join('\n')
}

function cellsOf({ measure, ours, other, ratio, target, met }: Row): string[] {
  const digits = (value: number) => value.toFixed(2)
  const spread = ratio
    ? `${digits(ratio.median)} (${digits(ratio.lowest)} to ${digits(ratio.highest)}, n=${ratio.pairs})`
    : ''
  return [measure, ours, other, spread, target, met === null ? '' : met ? 'yes' : '**no**']
}
