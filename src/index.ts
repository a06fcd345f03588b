import { buildDeps } from './deps.ts'
import { uploadSessionClass } from './resumable/upload-session.ts'
import { createWorker } from './worker.ts'

export { RateLimiterObject } from './limits/rate-limiter-object.ts'
export { WatchObject } from './live/watch-object.ts'
export { TotalsObject } from './metrics/totals-object.ts'

/** One resumable upload each. */
export class UploadSession extends uploadSessionClass(buildDeps) {}

export default createWorker()
