import type { AppContext } from '../context.ts'
import type { Domain } from '../core/domain.ts'
import type { StepRun, Variant } from '../core/step-run.ts'
import { viewSteps, viewUpload } from '../core/upload-view.ts'
import type { UploadedFile } from '../core/uploaded-file.ts'
import { uploadUrl } from './addresses.ts'

/** An uploaded file as clients see it. */
export function serialiseUpload(c: AppContext, domain: Domain, file: UploadedFile) {
  return { ...viewUpload(domain.slug, file), links: links(c, domain, file.id) }
}

export function serialiseSteps(domain: Domain, file: UploadedFile, runs: readonly StepRun[]) {
  return viewSteps(domain.policy.steps, file, runs)
}

/** The variants of a file, with where each is served. */
export function serialiseVariants(c: AppContext, domain: Domain, { id }: UploadedFile, variants: readonly Variant[]) {
  return variants.map(({ name, type, size, width, height }) => ({
    ...{ name, type, size, width, height },
    url: uploadUrl(c, domain, id, `/variants/${name}`),
  }))
}

function links(c: AppContext, domain: Domain, id: string) {
  return {
    self: uploadUrl(c, domain, id),
    status: uploadUrl(c, domain, id, '/status'),
    content: uploadUrl(c, domain, id, '/content'),
  }
}
