import { createHash } from 'node:crypto'
import { variantKey } from '../core/object-key.ts'
import type { Clock, Log, Watchers } from '../core/ports.ts'
import type { StepRun, Variant } from '../core/step-run.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import type { Database } from '../db/database.ts'
import { saveStepProgress } from '../db/step-runs.ts'
import type { Hold } from '../db/uploaded-files/move.ts'
import type { StepContext } from '../processing/step.ts'
import type { ObjectStorage } from '../storage/object-storage.ts'

/** How far a step is, is written down at most this often. */
const progressIntervalMs = 2000

export interface StepContextParts {
  db: Database
  storage: ObjectStorage
  watchers: Pick<Watchers, 'progress'>
  now: Clock
  log: Log
}

/** What a step gets to work with, and the variants that it has stored so far: none is shown before the step has ended. */
export function openStepContext(
  of: {
    file: UploadedFile
    hold: Hold
    name: string
    options: unknown
    run: StepRun | undefined
    lost: AbortSignal
  },
  { db, storage, watchers, now, log }: StepContextParts,
): { context: StepContext; variants: Variant[] } {
  const { file, hold, name, options, run, lost } = of
  const variants: Variant[] = []
  let toldAt = now()
  const context: StepContext = {
    file,
    name,
    options,
    attempt: hold.attempt,
    state: run?.state ?? null,
    answer: run?.answer ?? null,
    signal: lost,
    now,
    read: async (range) => (await storage.read(file.objectKey, range))?.body ?? null,
    async writeVariant({ name: variantName, type, width, height }, bytes) {
      lost.throwIfAborted()
      const objectKey = variantKey(file.objectKey, hold, variantName)
      await storage.put(objectKey, bytes)
      variants.push({
        name: variantName,
        step: name,
        objectKey,
        type,
        size: bytes.byteLength,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        width: width ?? null,
        height: height ?? null,
      })
    },
    progress(fraction) {
      if (now() - toldAt < progressIntervalMs) return
      toldAt = now()
      const progress = Math.min(Math.max(fraction, 0), 1)
      watchers.progress(file.domainId, { fileId: file.id, step: name, progress })
      saveStepProgress(db, hold, name, progress).catch((error) =>
        log('debug', 'progress-not-saved', { uploadId: file.id, error }),
      )
    },
  }
  return { context, variants }
}
