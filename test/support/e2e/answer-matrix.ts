/** Counts, for each pair of a request and a client, how many of its tries got the answer they should. */
export class AnswerMatrix {
  readonly #cells = new Map<string, Map<string, { answers: number; tries: number }>>()

  note(request: string, client: string, counts: { answers: number; tries: number }): void {
    const row = this.#cells.get(request) ?? new Map()
    row.set(client, counts)
    this.#cells.set(request, row)
  }

  /** A line for each request, in its order, and a column for each client: `50 of 50`. Empty when nothing was noted. */
  toString(): string {
    const clients = [...new Set([...this.#cells.values()].flatMap((row) => [...row.keys()]))]
    const rows = [...this.#cells].map(([request, row]) => {
      const counts = clients.map((client) => row.get(client))
      return [request, ...counts.map((cell) => (cell ? `${cell.answers} of ${cell.tries}` : ''))]
    })
    if (rows.length === 0) return ''
    const table = [['', ...clients], ...rows]
    const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? []
    return table.map((row) => row.map((text, column) => text.padEnd(widths[column] ?? 0)).join('  ')).join('\n')
  }
}
