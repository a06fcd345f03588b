import type { Row } from './row.ts'

const header = ['Measure', 'Ours', 'Other', 'Ratio (lowest to highest)', 'Target', 'Met']

/** The rows as a Markdown table. */
export function formatTable(rows: readonly Row[]): string {
  return formatColumns(header, rows.map(cellsOf))
}

/** Any cells as a Markdown table, padded so that it reads well in a terminal too. */
export function formatColumns(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(3, ...lines.map((line) => (line[column] as string).length)))
  const format = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`
  const [first, ...body] = lines.map(format)
  return [first, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body].join('\n')
}

function cellsOf({ measure, ours, other, ratio, target, met }: Row): string[] {
  const digits = (value: number) => value.toFixed(2)
  const spread = ratio
    ? `${digits(ratio.median)} (${digits(ratio.lowest)} to ${digits(ratio.highest)}, n=${ratio.pairs})`
    : ''
  return [measure, ours, other, spread, target, met === null ? '' : met ? 'yes' : '**no**']
}
