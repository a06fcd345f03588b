import { DurableObject } from 'cloudflare:workers'
import { judgeRate, type RateBucket, type RateVerdict, rateWindowAt, rateWindowSeconds } from '../core/rate-limit.ts'

/** A count matters in its own window and in the next. */
const forgetAfterMs = 2 * rateWindowSeconds * 1000

/** The counts of one domain, in the object's own SQLite: they are the same after it was evicted and started again. */
export class RateLimiterObject extends DurableObject {
  #alarmIsSet = false

  /** `now` is the caller's clock, in milliseconds since 1970. */
  async take(buckets: readonly RateBucket[], now: number): Promise<RateVerdict> {
    const verdict = this.#count(buckets, now)
    await this.#forgetLater()
    return verdict
  }

  /** Drops what no longer matters, and with the last of it the object's storage. */
  override async alarm(): Promise<void> {
    this.#alarmIsSet = false
    const { sql } = this.ctx.storage
    sql.exec('DELETE FROM counts WHERE window < ?', rateWindowAt(Date.now()) - 1)
    if (sql.exec('SELECT 1 FROM counts LIMIT 1').toArray().length > 0) await this.#forgetLater()
    else await this.ctx.storage.deleteAll()
  }

  /** Nothing is awaited between looking and counting, so no other request can come between. */
  #count(buckets: readonly RateBucket[], now: number): RateVerdict {
    const { sql } = this.ctx.storage
    // Here and not in the constructor: an alarm may have dropped it since.
    sql.exec(
      'CREATE TABLE IF NOT EXISTS counts (window INTEGER, bucket TEXT, count INTEGER, PRIMARY KEY (window, bucket)) WITHOUT ROWID',
    )
    const window = rateWindowAt(now)
    const countIn = (bucket: RateBucket, of: number) =>
      sql
        .exec<{ count: number }>('SELECT count FROM counts WHERE window = ? AND bucket = ?', of, bucket.key)
        .toArray()[0]?.count ?? 0
    const states = []
    for (const bucket of buckets) {
      const counts = { current: countIn(bucket, window), previous: countIn(bucket, window - 1) }
      const { isFull, ...state } = judgeRate(bucket, counts, now)
      states.push(state)
      if (isFull) return { states, refusedBy: state }
    }
    for (const { key } of buckets) {
      sql.exec(
        'INSERT INTO counts VALUES (?, ?, 1) ON CONFLICT (window, bucket) DO UPDATE SET count = count + 1',
        window,
        key,
      )
    }
    return { states, refusedBy: null }
  }

  async #forgetLater(): Promise<void> {
    if (this.#alarmIsSet) return
    this.#alarmIsSet = true
    const { storage } = this.ctx
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now() + forgetAfterMs)
  }
}
