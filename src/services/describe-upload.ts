import type { StepRun, Variant } from '../core/step-run.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { findStepRuns, findVariants } from '../db/step-runs.ts'
import { findUpload } from './find-upload.ts'

/** A file with how far its steps are in its present generation: what is asked often. Throws as `findUpload` does. */
export async function describeProgress(
  db: Database,
  key: { domainId: string; id: string },
): Promise<{ file: UploadedFile; runs: StepRun[] }> {
  const file = await findUpload(db, key)
  return { file, runs: await findStepRuns(db, file.id, file.generation) }
}

/** A file with how far its steps are in its present generation, and its variants. Throws as `findUpload` does. */
export async function describeUpload(
  db: Database,
  key: { domainId: string; id: string },
): Promise<{ file: UploadedFile; runs: StepRun[]; variants: Variant[] }> {
  const file = await findUpload(db, key)
  const [runs, variants] = await Promise.all([findStepRuns(db, file.id, file.generation), findVariants(db, file.id)])
  return { file, runs, variants }
}
