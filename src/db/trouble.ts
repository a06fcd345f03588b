import { Unavailable } from '../core/errors.ts'

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
export function tellingTrouble(d1: D1Database): D1Calls {
  return {
    prepare: (sql) => new TellingStatement(d1.prepare(sql)),
    batch: <T>(statements: D1PreparedStatement[]) =>
      orTrouble(d1.batch<T>(statements.map((statement) => (statement as TellingStatement).inner))),
  }
}

/** A statement of such a database. */
class TellingStatement implements D1PreparedStatement {
  readonly inner: D1PreparedStatement

  constructor(inner: D1PreparedStatement) {
    this.inner = inner
  }

  bind(...values: unknown[]): D1PreparedStatement {
    return new TellingStatement(this.inner.bind(...values))
  }

  run<T>(): Promise<D1Result<T>> {
    return orTrouble(this.inner.run<T>())
  }

  all<T>(): Promise<D1Result<T>> {
    return orTrouble(this.inner.all<T>())
  }

  first<T>(column?: string): Promise<T | null> {
    return orTrouble(column === undefined ? this.inner.first<T>() : this.inner.first<T>(column))
  }

  // biome-ignore lint/suspicious/noExplicitAny: one body for two overloads that differ in nothing here
  raw(options?: any): Promise<any> {
    return orTrouble(this.inner.raw(options))
  }
}

async function orTrouble<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw isOwnFault(error) ? error : new Unavailable('D1 did not do its work.', { cause: error })
  }
}

/** D1 ends its message with SQLite's code where SQLite refused. Whatever else it says, it may not say the next time. */
function isOwnFault(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) return true
  const code = /: (SQLITE_[A-Z]+)(?: \(extended: \w+\))?$/.exec(error.message)?.[1]
  return code === undefined ? faultsOfCalls.test(error.message) : faultsOfStatements.has(code)
}
