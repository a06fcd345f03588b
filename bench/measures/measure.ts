import type { Client } from '../client/client.ts'
import type { Row } from '../report/row.ts'

export interface Bench {
  client: Client
  /** A smoke run: small bodies and one round, only to see that everything works. */
  quick: boolean
  /** Says what is going on. */
  say(text: string): void
}

/** One line of the table, or a few that are measured together. */
export type Measure = (bench: Bench) => Promise<Row[]>
