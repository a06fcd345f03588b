import { bundleWorker } from '../runtime/bundle-worker.ts'
import type { Measure } from './measure.ts'

const mostKilobytes = 400

/** What a deployment uploads, as wrangler says it. */
export const bundle: Measure = async () => {
  const { output } = await bundleWorker('src/index.ts')
  const gzipped = /gzip: ([\d.]+) KiB/.exec(output)?.[1]
  if (gzipped === undefined) throw new Error(`Wrangler does not say how large the bundle is:\n${output}`)
  const kilobytes = Number(gzipped) * 1.024
  return [
    {
      measure: 'bundle, gzipped',
      ours: `${kilobytes.toFixed(0)} KB`,
      other: '',
      ratio: null,
      target: `< ${mostKilobytes} KB`,
      met: kilobytes < mostKilobytes,
    },
  ]
}
