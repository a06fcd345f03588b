import type { AppContext } from '../context.ts'
import type { Domain } from '../core/domain.ts'
import type { StepResult } from '../core/step-result.ts'
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

/** The steps of a file with what each has found so far. Once it is complete, those that ran are all there are. */
export function serialiseSteps(domain: Domain, { status }: UploadedFile, results: readonly StepResult[]) {
  const finished = results.map((result) => result.step)
  const names = status === 'complete' ? finished : new Set([...finished, ...domain.policy.steps])
  return [...names].map((name) => {
    const done = results.find((result) => result.step === name)
    return {
      name,
      status: done ? ('complete' as const) : ('waiting' as const),
      attempt: done?.attempt ?? null,
      durationMs: done?.durationMs ?? null,
      result: done?.result ?? null,
    }
  })
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
