import { Unavailable } from '../core/errors.ts'
import type { Meter } from '../core/ports.ts'

/**
 * SQLite's own codes for a statement that will fail however often it is sent: it is wrong, or the rows do not allow it.
 * Its other codes (SQLITE_BUSY, SQLITE_IOERR …) speak of the database.
 */
const faultsOfStatements = new Set([
  'SQLITE_ERROR',
  'SQLITE_CONSTRAINT',
  'SQLITE_MISMATCH',
  'SQLITE_MISUSE',
  'SQLITE_RANGE',
  'SQLITE_TOOBIG',
  'SQLITE_AUTH',
])

/** What D1 says of a statement that never came as far as SQLite. */
const faultsOfCalls = /^D1_TYPE_ERROR|^D1_COLUMN_NOTFOUND|Wrong number of parameter bindings|No SQL statements/

/** As much of D1 as is used here. */
export type D1Calls = Pick<D1Database, 'prepare' | 'batch'>

/** The database with its own trouble thrown as `Unavailable`; what is wrong with a statement is thrown as it is. */
export function tellingTrouble(d1: D1Database, meter: Meter): D1Calls {
  return {
    prepare: (sql) => new TellingStatement(d1.prepare(sql), meter),
    batch: <T>(statements: D1PreparedStatement[]) =>
      orTrouble(meter, d1.batch<T>(statements.map((statement) => (statement as TellingStatement).inner))),
  }
}

/** A statement of such a database. */
class TellingStatement implements D1PreparedStatement {
  readonly inner: D1PreparedStatement
  readonly #meter: Meter

  constructor(inner: D1PreparedStatement, meter: Meter) {
    this.inner = inner
    this.#meter = meter
  }

  bind(...values: unknown[]): D1PreparedStatement {
    return new TellingStatement(this.inner.bind(...values), this.#meter)
  }

  run<T>(): Promise<D1Result<T>> {
    return orTrouble(this.#meter, this.inner.run<T>())
  }

  all<T>(): Promise<D1Result<T>> {
    return orTrouble(this.#meter, this.inner.all<T>())
  }

  first<T>(column?: string): Promise<T | null> {
    return orTrouble(this.#meter, column === undefined ? this.inner.first<T>() : this.inner.first<T>(column))
  }

  // biome-ignore lint/suspicious/noExplicitAny: one body for two overloads that differ in nothing here
  raw(options?: any): Promise<any> {
    return orTrouble(this.#meter, this.inner.raw(options))
  }
}

async function orTrouble<T>(meter: Meter, answer: Promise<T>): Promise<T> {
  const end = meter('d1')
  try {
    const value = await answer
    end()
    return value
  } catch (error) {
    const isOurs = isOwnFault(error)
    end(isOurs ? undefined : 'failed')
    throw isOurs ? error : new Unavailable('D1 did not do its work.', { cause: error })
  }
}

/** D1 ends its message with SQLite's code where SQLite refused. Whatever else it says, it may not say the next time. */
function isOwnFault(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) return true
  const code = /: (SQLITE_[A-Z]+)(?: \(extended: \w+\))?$/.exec(error.message)?.[1]
  return code === undefined ? faultsOfCalls.test(error.message) : faultsOfStatements.has(code)
}
