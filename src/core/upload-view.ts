import type { StepRun } from './step-run.ts'
import { nameOfSetting, type StepSetting } from './step-settings.ts'
import type { UploadedFile } from './uploaded-file.ts'

/** An uploaded file as everybody sees it who may: clients, and those who are told of it. Its links are the route's. */
export function viewUpload(slug: string, file: UploadedFile) {
  return {
    id: file.id,
    domain: slug,
    filename: file.filename,
    type: file.type,
    declaredType: file.declaredType,
    size: file.size,
    sha256: file.sha256,
    status: file.status,
    failure: file.failure,
    metadata: file.metadata,
    protocol: file.protocol,
    generation: file.generation,
    attempts: file.attempts,
    lastEvent: file.lastEvent,
    ...viewTimes(file),
  }
}

export function viewTimes(file: UploadedFile) {
  return {
    createdAt: isoTime(file.createdAt),
    updatedAt: isoTime(file.updatedAt),
    completedAt: isoTimeOrNull(file.completedAt),
  }
}

/**
 * The steps of a file with how far each is; `planned` is what its domain's policy names. Once it is complete, those that
 * ran are all there are.
 */
export function viewSteps(planned: readonly StepSetting[], { status }: UploadedFile, runs: readonly StepRun[]) {
  const begun = runs.map((run) => run.step)
  const names = status === 'complete' ? begun : new Set([...begun, ...planned.map(nameOfSetting)])
  return [...names].map((name) => {
    const run = runs.find((run) => run.step === name)
    return {
      name,
      status: run?.status ?? ('waiting' as const),
      progress: run?.progress ?? null,
      attempt: run?.attempt ?? null,
      durationMs: run?.durationMs ?? null,
      result: run?.result ?? null,
    }
  })
}

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

export function isoTimeOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : isoTime(milliseconds)
}
