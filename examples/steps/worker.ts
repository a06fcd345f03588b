import { buildDeps } from '../../src/deps.ts'
import { byName } from '../../src/processing/steps.ts'
import { createWorker } from '../../src/worker.ts'
import { countWords } from './count-words.ts'

export * from '../../src/index.ts'

/** Stevedore with one step more. As `main` in `wrangler.toml` it takes the place of `src/index.ts`. */
export default createWorker((env, context) => {
  const deps = buildDeps(env, context)
  return { ...deps, steps: { ...deps.steps, ...byName([countWords]) } }
})
