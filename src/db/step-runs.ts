import { and, eq, inArray, not, type SQL, sql } from 'drizzle-orm'
import type { StepRefusal, StepRun, Variant } from '../core/step-run.ts'
import type { Database } from './database.ts'
import { fileVariants, stepRuns, uploadedFiles } from './schema.ts'
import { type Hold, heldBy, ownedBy } from './uploaded-files/move.ts'

/** A step's name, and how long it has worked this time, in milliseconds. */
interface Work {
  step: string
  workedMs: number
}

/** A run as it is read. */
export const runColumns = {
  step: stepRuns.step,
  status: stepRuns.status,
  attempt: stepRuns.attempt,
  progress: stepRuns.progress,
  state: stepRuns.state,
  answer: stepRuns.answer,
  result: stepRuns.result,
  durationMs: stepRuns.durationMs,
  finishedAt: stepRuns.finishedAt,
}

/** Those that have ended first. */
export const runOrder = [sql`finished_at IS NULL`, stepRuns.finishedAt, sql`rowid`]

/** The steps of one generation of a file that have begun, those that have ended first. */
export async function findStepRuns(db: Database, fileId: string, generation: number): Promise<StepRun[]> {
  return db
    .select(runColumns)
    .from(stepRuns)
    .where(and(eq(stepRuns.fileId, fileId), eq(stepRuns.generation, generation)))
    .orderBy(...runOrder)
}

/**
 * Ends a step with its result and the variants that it has made, if the worker still holds the file: throws when its
 * lease was lost. The first result stays when the same step ends twice. Returns the keys of the objects that the
 * variants have taken the place of.
 */
export async function finishStep(
  db: Database,
  hold: Hold,
  { step, workedMs, result, finishedAt }: Work & { result: Record<string, unknown>; finishedAt: number },
  variants: readonly Variant[],
): Promise<string[]> {
  const theStepsOwn = and(eq(fileVariants.fileId, hold.id), eq(fileVariants.step, step))
  const [kept, replaced] = await db.batch([
    writeRun(db, hold, { step, workedMs, status: 'complete', result, finishedAt }),
    db
      .delete(fileVariants)
      .where(and(theStepsOwn, isHeld(hold)))
      .returning({ objectKey: fileVariants.objectKey }),
    ...(variants.length === 0 ? [] : [insertVariants(db, hold, variants)]),
  ])
  requireKept(kept)
  return replaced.map((variant) => variant.objectKey)
}

/** Notes that a step has ended the file's way; `endFile` follows. Throws when the lease was lost. */
export async function refuseStep(
  db: Database,
  hold: Hold,
  { step, workedMs, refusal, finishedAt }: Work & { refusal: StepRefusal; finishedAt: number },
): Promise<void> {
  requireKept(await writeRun(db, hold, { step, workedMs, status: 'refused', result: { ...refusal }, finishedAt }))
}

/**
 * Keeps what a step leaves for its next job, and takes away the answer that it was given (`usesAnswerUp`): one that came
 * while it worked stays for that job. Throws when the lease was lost.
 */
export async function saveStepState(
  db: Database,
  hold: Hold,
  run: Work & { status: 'running' | 'waiting'; state: unknown; usesAnswerUp: boolean },
): Promise<void> {
  requireKept(await writeRun(db, hold, run))
}

/** Notes how far a step is, 0 … 1. Nothing happens when the lease was lost, or the step has ended. */
export async function saveStepProgress(db: Database, hold: Hold, step: string, progress: number): Promise<void> {
  await writeRun(db, hold, { step, workedMs: 0, status: 'running', progress })
}

/** A step that has asked somebody outside. */
export interface AskedStep {
  domainId: string
  /** The file. */
  id: string
  generation: number
  /** The attempt of the file in which it asked. */
  attempt: number
  step: string
}

/**
 * Keeps what came from outside for a step, be the step waiting already or about to. Returns whether it was wanted: the
 * file is in that generation and that attempt, and the step has not ended, has no answer yet, and is not about to ask
 * anew.
 */
export async function keepStepAnswer(
  db: Database,
  { domainId, id, generation, attempt, step }: AskedStep,
  answer: unknown,
): Promise<boolean> {
  // Its answer was used up: what comes before the next attempt has asked is a repeat of that answer.
  const asksAnew = sql`(${uploadedFiles.status} = 'pending' AND EXISTS (SELECT 1 FROM ${stepRuns}
    WHERE ${stepRuns.fileId} = ${id} AND ${stepRuns.generation} = ${generation} AND ${stepRuns.step} = ${step}
      AND ${stepRuns.status} = 'running' AND ${stepRuns.state} IS NULL))`
  const isWanted = and(
    ownedBy({ domainId, id }),
    eq(uploadedFiles.generation, generation),
    // A repeat of what was answered in an earlier attempt is no answer to what this one has asked.
    eq(uploadedFiles.attempts, attempt),
    inArray(uploadedFiles.status, ['pending', 'processing']),
    not(asksAnew),
  )
  const kept = await db
    .insert(stepRuns)
    .select(
      sql`SELECT ${id}, ${generation}, ${step}, 'waiting', attempts, NULL, NULL, ${JSON.stringify(answer)}, NULL, 0, NULL
        FROM ${uploadedFiles} WHERE ${isWanted}`,
    )
    .onConflictDoUpdate({
      target: [stepRuns.fileId, stepRuns.generation, stepRuns.step],
      set: { answer: sql`excluded.answer` },
      setWhere: sql`${stepRuns.status} IN ('running', 'waiting') AND ${stepRuns.answer} IS NULL`,
    })
    .returning({ step: stepRuns.step })
  return kept.length > 0
}

/** Why a file was quarantined in an earlier generation, where that step has not found it good since; null where none has. */
export async function findStandingQuarantine(
  db: Database,
  { id, generation }: { id: string; generation: number },
): Promise<StepRefusal | null> {
  const row = await db.get<{ result: string }>(sql`
    SELECT found.result FROM ${stepRuns} AS found
    WHERE found.file_id = ${id} AND found.generation < ${generation}
      AND found.status = 'refused' AND json_extract(found.result, '$.verdict') = 'quarantined'
      AND NOT EXISTS (SELECT 1 FROM ${stepRuns} AS later
        WHERE later.file_id = found.file_id AND later.step = found.step
          AND later.generation > found.generation AND later.status = 'complete')
    ORDER BY found.generation DESC LIMIT 1`)
  return row ? (JSON.parse(row.result) as StepRefusal) : null
}

/** The variants of a file, by their names. */
export async function findVariants(db: Database, fileId: string): Promise<Variant[]> {
  return db.select(variantColumns).from(fileVariants).where(eq(fileVariants.fileId, fileId)).orderBy(fileVariants.name)
}

/** One variant of a file; undefined where it has none of this name. */
export async function findVariant(db: Database, fileId: string, name: string): Promise<Variant | undefined> {
  return db
    .select(variantColumns)
    .from(fileVariants)
    .where(and(eq(fileVariants.fileId, fileId), eq(fileVariants.name, name)))
    .get()
}

const variantColumns = {
  name: fileVariants.name,
  step: fileVariants.step,
  objectKey: fileVariants.objectKey,
  type: fileVariants.type,
  size: fileVariants.size,
  sha256: fileVariants.sha256,
  width: fileVariants.width,
  height: fileVariants.height,
}

/** Writes a step's run as it is now, if the worker still holds the file; one that has its result stays as it is. */
function writeRun(
  db: Database,
  hold: Hold,
  run: Work & { status: StepRun['status']; usesAnswerUp?: boolean } & Partial<
      Pick<StepRun, 'progress' | 'state' | 'result' | 'finishedAt'>
    >,
) {
  const { step, status, workedMs, progress = null, state = null, result = null, finishedAt = null } = run
  return db
    .insert(stepRuns)
    .select(
      sql`SELECT ${hold.id}, ${hold.generation}, ${step}, ${status}, ${hold.attempt}, ${progress}, ${json(state)}, NULL,
          ${json(result)}, ${workedMs}, ${finishedAt}
        FROM ${uploadedFiles} WHERE ${heldRow(hold)}`,
    )
    .onConflictDoUpdate({
      target: [stepRuns.fileId, stepRuns.generation, stepRuns.step],
      set: {
        status: unlessComplete(sql`${stepRuns.status}`, sql`excluded.status`),
        attempt: unlessComplete(sql`${stepRuns.attempt}`, sql`excluded.attempt`),
        progress: unlessComplete(sql`${stepRuns.progress}`, sql`coalesce(excluded.progress, ${stepRuns.progress})`),
        // Who only tells how far he is leaves what he has kept for his next job.
        state: unlessComplete(sql`${stepRuns.state}`, progress === null ? sql`excluded.state` : sql`${stepRuns.state}`),
        answer: unlessComplete(sql`${stepRuns.answer}`, run.usesAnswerUp ? sql`NULL` : sql`${stepRuns.answer}`),
        result: unlessComplete(sql`${stepRuns.result}`, sql`excluded.result`),
        durationMs: unlessComplete(sql`${stepRuns.durationMs}`, sql`${stepRuns.durationMs} + excluded.duration_ms`),
        finishedAt: unlessComplete(sql`${stepRuns.finishedAt}`, sql`excluded.finished_at`),
      },
    })
    .returning({ step: stepRuns.step })
}

const unlessComplete = (before: SQL, after: SQL) =>
  sql`CASE ${stepRuns.status} WHEN 'complete' THEN ${before} ELSE ${after} END`

function insertVariants(db: Database, hold: Hold, variants: readonly Variant[]) {
  const text = (name: keyof Variant) => sql.raw(`json_extract(value, '$.${name}')`)
  return db
    .insert(fileVariants)
    .select(
      sql`SELECT ${hold.id}, ${text('name')}, ${text('step')}, ${text('objectKey')}, ${text('type')}, ${text('size')},
          ${text('sha256')}, ${text('width')}, ${text('height')}
        FROM json_each(${JSON.stringify(variants)}) WHERE ${isHeld(hold)}`,
    )
    .onConflictDoNothing()
}

function heldRow(hold: Hold): SQL | undefined {
  return and(ownedBy(hold), eq(uploadedFiles.status, 'processing'), heldBy(hold))
}

function isHeld(hold: Hold): SQL {
  return sql`EXISTS (SELECT 1 FROM ${uploadedFiles} WHERE ${heldRow(hold)})`
}

function json(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value)
}

function requireKept(rows: readonly unknown[]): void {
  if (rows.length === 0) throw new Error('The lease was lost before the step could be written down.')
}
