import type { StepResult } from '../core/step-result.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { findStepResults } from '../db/step-results.ts'
import { findUpload } from './find-upload.ts'

/** A file with what its steps have found in its present generation. Throws as `findUpload` does. */
export async function describeUpload(
  db: Database,
  key: { domainId: string; id: string },
): Promise<{ file: UploadedFile; results: StepResult[] }> {
  const file = await findUpload(db, key)
  return { file, results: await findStepResults(db, file.id, file.generation) }
}
