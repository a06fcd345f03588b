import { createWorker } from './worker.ts'

export { RateLimiterObject } from './limits/rate-limiter-object.ts'
export { WatchObject } from './live/watch-object.ts'

export default createWorker()
