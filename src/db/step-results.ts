import { and, eq, sql } from 'drizzle-orm'
import type { StepResult } from '../core/step-result.ts'
import type { Database } from './database.ts'
import { stepResults, uploadedFiles } from './schema.ts'
import { type Hold, heldBy, ownedBy } from './uploaded-files/move.ts'

/** The finished steps of one generation of a file, in the order in which they finished. */
export async function findStepResults(db: Database, fileId: string, generation: number): Promise<StepResult[]> {
  return db
    .select({
      step: stepResults.step,
      attempt: stepResults.attempt,
      result: stepResults.result,
      durationMs: stepResults.durationMs,
      finishedAt: stepResults.finishedAt,
    })
    .from(stepResults)
    .where(and(eq(stepResults.fileId, fileId), eq(stepResults.generation, generation)))
    .orderBy(stepResults.finishedAt)
}

/**
 * Keeps a step's result, if the worker still holds the file: throws when its lease was lost. The first result stays
 * when the same step is finished twice.
 */
export async function insertStepResult(db: Database, hold: Hold, result: StepResult): Promise<void> {
  const row = sql`SELECT ${hold.id}, ${hold.generation}, ${result.step}, ${result.attempt}, ${JSON.stringify(result.result)},
      ${result.durationMs}, ${result.finishedAt}
    FROM ${uploadedFiles}
    WHERE ${and(ownedBy(hold), eq(uploadedFiles.status, 'processing'), heldBy(hold))}`
  const kept = await db
    .insert(stepResults)
    .select(row)
    .onConflictDoUpdate({
      target: [stepResults.fileId, stepResults.generation, stepResults.step],
      set: { step: result.step },
    })
    .returning({ step: stepResults.step })
  if (kept.length === 0) throw new Error('The lease was lost before the result could be kept.')
}
