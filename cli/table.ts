const gap = '  '

/** Bytes for people: `598.2 kB`, in powers of 1000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3))
  return power === 0 ? `${bytes} B` : `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}`
}

/**
 * Lays rows out under their headings. When a line would be wider than `width` columns, each row becomes a block of one
 * line a cell instead, so that nothing is cut off and long cells can still be copied.
 */
export function renderTable(headings: string[], rows: string[][], width: number): string {
  const columns = headings.map((heading, index) =>
    Math.max(heading.length, ...rows.map((row) => row[index]?.length ?? 0)),
  )
  const line = (cells: string[]) =>
    cells
      .map((cell, index) => cell.padEnd(columns[index] ?? 0))
      .join(gap)
      .trimEnd()
  const lines = [line(headings), line(columns.map((column) => '-'.repeat(column))), ...rows.map(line)]
  if (lines.every((text) => text.length <= width)) return lines.join('\n')

  const label = Math.max(...headings.map((heading) => heading.length))
  const block = (row: string[]) => row.map((cell, index) => `${(headings[index] ?? '').padEnd(label)}${gap}${cell}`)
  return rows.map((row) => block(row).join('\n')).join('\n\n')
}
