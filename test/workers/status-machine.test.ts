import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import { beforeAll, expect, test, vi } from 'vitest'
import { maxAttempts } from '../../src/core/backoff.ts'
import {
  type FileStatus,
  fileStatuses,
  isTerminal,
  mayFollow,
  type Transition,
  transitions,
} from '../../src/core/status.ts'
import { noTrace } from '../../src/core/trace-context.ts'
import { claimFile } from '../../src/db/uploaded-files/claimed.ts'
import { commitFiles, type FileToCommit } from '../../src/db/uploaded-files/commit.ts'
import { deleteFile } from '../../src/db/uploaded-files/delete.ts'
import { completeFile, refuseFile, reprocessFile, retryFile } from '../../src/db/uploaded-files/finish.ts'
import { leaseFile } from '../../src/db/uploaded-files/lease.ts'
import { allRows, execute, makeDomain, rowOf, type TestDomain } from '../support/workers/client.ts'
import { depsWith } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 120_000 })

const leaseMs = 1000
const failure = { verdict: 'failed' as const, code: 'test', detail: 'A test.' }
let domain: TestDomain

beforeAll(async () => {
  domain = await makeDomain()
})

/** One attempt to move the file, by somebody who may be late, early, or somebody else. */
interface Move {
  transition: Exclude<Transition, 'quarantine'>
  /** How far what the mover believes lies behind the row. */
  generationsBehind: number
  leasesBehind: number
  /** Time that passes before it. */
  waitMs: number
}

const move: fc.Arbitrary<Move> = fc.record({
  transition: fc.constantFrom(
    ...(['lease', 'lease', 'lease', 'retry', 'complete', 'fail', 'reprocess', 'commit', 'delete'] as const),
  ),
  generationsBehind: fc.constantFrom(0, 0, 0, 0, 1, -1),
  leasesBehind: fc.constantFrom(0, 0, 0, 0, 1, -1),
  waitMs: fc.constantFrom(0, 0, 1, leaseMs - 1, leaseMs),
})

interface Row {
  status: FileStatus
  generation: number
  attempts: number
  lease_number: number
  last_event: number
  lease_expires_at: number | null
  next_attempt_at: number | null
}

const readRow = async (id: string) => (await allRows<Row>('SELECT * FROM uploaded_files WHERE id = ?', id))[0] as Row

test.each(['uploading', 'pending'] as const)(
  'whatever is tried on a file that begins at %s, it keeps to the table',
  async (start) => {
    const { control: db } = depsWith()
    const committer = { domainId: domain.id, keyId: null, token: null, isAnonymous: false }

    await fc.assert(
      fc.asyncProperty(fc.array(move, { minLength: 1, maxLength: 25 }), async (moves) => {
        const id = uuidv7()
        const file: FileToCommit = {
          id,
          objectKey: `${id}/${domain.id}`,
          filename: 'a',
          declaredType: null,
          type: 'text/plain',
          charset: null,
          size: 7,
          sha256: 'ab',
          metadata: {},
          protocol: 'raw',
          callbackUrl: null,
          trace: noTrace,
          claim: null,
        }
        let now = Date.now()
        if (start === 'pending') await commitFiles(db, committer, [file], now)
        else await claimFile(db, committer, { ...file, r2UploadId: 'none' }, now)
        const claim = { reservedBytes: 7, isLost: false }

        /** What a worker with this knowledge does; whether the row says that it happened. */
        const attempt = async (
          { transition, generationsBehind, leasesBehind }: Move,
          before: Row,
        ): Promise<boolean> => {
          const generation = before.generation - generationsBehind
          const hold = {
            domainId: domain.id,
            id,
            generation,
            attempt: before.attempts,
            leaseNumber: before.lease_number - leasesBehind,
          }
          switch (transition) {
            case 'commit':
              return commitFiles(db, committer, [{ ...file, claim }], now).then(
                () => true,
                () => false,
              )
            case 'lease':
              return (await leaseFile(db, hold, { now, leaseMs, maxRunning: null })) !== undefined
            case 'retry':
              return (await retryFile(db, hold, failure, now + 1, now)) !== undefined
            case 'complete':
              return (await completeFile(db, hold, now)) !== undefined
            case 'fail':
              return (await refuseFile(db, hold, failure, now)) !== undefined
            case 'reprocess':
              return (await reprocessFile(db, hold, now)) !== undefined
            case 'delete':
              return (await deleteFile(db, { domainId: domain.id, id }, now)) !== undefined
          }
        }

        for (const tried of moves) {
          now += tried.waitMs
          const { transition } = tried
          const before = await readRow(id)
          const happened = await attempt(tried, before)
          const after = await readRow(id)
          if (!happened) {
            expect(after).toEqual(before)
            continue
          }
          expect(transitions[transition].from).toContain(before.status)
          expect(after.status).toBe(transitions[transition].to)
          expect(mayFollow(before.status, after.status)).toBe(true)
          expect(after.last_event).toBe(before.last_event + 1)
          expect(after.generation).toBe(before.generation + (transition === 'reprocess' ? 1 : 0))
          const isHeld = tried.generationsBehind === 0 && tried.leasesBehind === 0
          if (['retry', 'complete', 'fail'].includes(transition)) expect(isHeld).toBe(true)
          if (transition === 'lease') {
            expect(tried.generationsBehind).toBe(0)
            expect(after.attempts).toBe(before.attempts + 1)
            expect(after.attempts).toBeLessThanOrEqual(maxAttempts)
            if (before.status === 'processing') expect(before.lease_expires_at).toBeLessThanOrEqual(now)
            else expect(before.next_attempt_at ?? 0).toBeLessThanOrEqual(now)
          }
          expect(after.lease_expires_at !== null).toBe(after.status === 'processing')
        }

        // `rowOf` itself holds the numbers of the events against a gap.
        const { events, ...end } = await rowOf(id)
        expect(events.at(-1)).toBe(end.status)
        expect(fileStatuses).toEqual(expect.arrayContaining(events))
        const endings = await allRows<{ generation: number; count: number }>(
          "SELECT generation, count(*) AS count FROM file_events WHERE file_id = ? AND kind IN ('complete', 'failed', 'quarantined') GROUP BY generation",
          id,
        )
        for (const { count } of endings) expect(count).toBe(1)
        expect(events.filter((event) => event === 'deleted').length).toBeLessThanOrEqual(1)
        const [usage] = await allRows<Record<'stored_files' | 'stored_bytes' | 'files' | 'bytes', number>>(
          `SELECT stored_files, stored_bytes, count(f.id) AS files, coalesce(sum(f.size), 0) AS bytes FROM domain_accounts a
            LEFT JOIN uploaded_files f ON f.domain_id = a.domain_id AND f.status <> 'deleted' WHERE a.domain_id = ?`,
          domain.id,
        )
        expect(usage).toMatchObject({ stored_files: usage?.files, stored_bytes: usage?.bytes })
        if (!isTerminal(end.status as FileStatus)) await deleteFile(db, { domainId: domain.id, id }, now)
      }),
      { seed: 2046, numRuns: 60 },
    )
    await execute('UPDATE uploaded_files SET next_publish_at = NULL WHERE domain_id = ?', domain.id)
  },
)

test.each(fileStatuses)('of all moves at once from %s, one at most follows the table', async (status) => {
  const { control: db } = depsWith()
  const id = uuidv7()
  const now = Date.now()
  const committer = { domainId: domain.id, keyId: null, token: null, isAnonymous: false }
  const file: Omit<FileToCommit, 'claim'> = {
    id,
    objectKey: `${id}/${domain.id}`,
    filename: 'a',
    declaredType: null,
    type: 'text/plain',
    charset: null,
    size: 7,
    sha256: 'ab',
    metadata: {},
    protocol: 'raw',
    callbackUrl: null,
    trace: noTrace,
  }
  await commitFiles(db, committer, [{ ...file, claim: null }], now)
  await execute(
    'UPDATE uploaded_files SET status = ?, lease_expires_at = ?, attempts = 1, lease_number = 1 WHERE id = ?',
    status,
    status === 'processing' ? now + leaseMs : null,
    id,
  )
  const hold = { domainId: domain.id, id, generation: 1, attempt: 1, leaseNumber: 1 }
  const outcomes = await Promise.all([
    leaseFile(db, hold, { now, leaseMs, maxRunning: null }),
    leaseFile(db, hold, { now, leaseMs, maxRunning: null }),
    completeFile(db, hold, now),
    completeFile(db, hold, now),
    refuseFile(db, hold, failure, now),
    retryFile(db, hold, failure, now, now),
  ])
  const { events, last_event: last } = await rowOf(id)
  const moved = outcomes.filter((outcome) => outcome !== undefined).length
  expect(last).toBe(1 + moved)
  let from: FileStatus = status
  for (const to of events.slice(1) as FileStatus[]) {
    expect(mayFollow(from, to), `${from} → ${to}`).toBe(true)
    from = to
  }
  const endings = events.slice(1).filter((event) => ['complete', 'failed'].includes(event))
  expect(endings.length).toBeLessThanOrEqual(1)
  if (isTerminal(status) || status === 'uploading') expect(moved).toBe(0)
  else expect(moved).toBeGreaterThan(0)
})
