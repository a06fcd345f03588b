import { and, eq } from 'drizzle-orm'
import type { StepResult } from '../core/step-result.ts'
import type { Database } from './database.ts'
import { stepResults } from './schema.ts'

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

/** Keeps a step's result; the first one stays when the same step is finished twice. */
export async function insertStepResult(
  db: Database,
  file: { id: string; generation: number },
  result: StepResult,
): Promise<void> {
  await db
    .insert(stepResults)
    .values({ fileId: file.id, generation: file.generation, ...result })
    .onConflictDoNothing()
}
