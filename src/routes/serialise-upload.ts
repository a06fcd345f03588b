import type { AppContext } from '../context.ts'
import type { Domain } from '../core/domain.ts'
import type { StepRun, Variant } from '../core/step-run.ts'
import { nameOfSetting } from '../core/step-settings.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'

/** An uploaded file as clients see it. */
export function serialiseUpload(c: AppContext, domain: Domain, file: UploadedFile) {
  return {
    id: file.id,
    domain: domain.slug,
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
    ...serialiseTimes(file),
    links: links(c, domain, file.id),
  }
}

export function serialiseTimes(file: UploadedFile) {
  return {
    createdAt: isoTime(file.createdAt),
    updatedAt: isoTime(file.updatedAt),
    completedAt: isoTimeOrNull(file.completedAt),
  }
}

/** The steps of a file with how far each is. Once it is complete, those that ran are all there are. */
export function serialiseSteps(domain: Domain, { status }: UploadedFile, runs: readonly StepRun[]) {
  const begun = runs.map((run) => run.step)
  const names = status === 'complete' ? begun : new Set([...begun, ...domain.policy.steps.map(nameOfSetting)])
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

/** The variants of a file, with where each is served. */
export function serialiseVariants(c: AppContext, domain: Domain, { id }: UploadedFile, variants: readonly Variant[]) {
  return variants.map(({ name, type, size, width, height }) => ({
    ...{ name, type, size, width, height },
    url: uploadUrl(c, domain, id, `/variants/${name}`),
  }))
}

/** Where an upload is found, on the host that it was asked for. */
export function uploadUrl(c: AppContext, domain: Domain, id: string, rest = ''): string {
  const query = c.get('host').kind === 'apex' ? `?domain=${domain.slug}` : ''
  return `${c.get('origin')}/v1/uploads/${id}${rest}${query}`
}

function links(c: AppContext, domain: Domain, id: string) {
  return {
    self: uploadUrl(c, domain, id),
    status: uploadUrl(c, domain, id, '/status'),
    content: uploadUrl(c, domain, id, '/content'),
  }
}

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

export function isoTimeOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : isoTime(milliseconds)
}
