import { createHash } from 'node:crypto'
import type { TestProject } from 'vitest/node'
import { startClamavControl } from '../clamav/clamav-control.ts'
import { clamdMissing } from '../clamav/clamd-server.ts'
import { wholeFile } from '../clamav/findings.ts'
import { noise } from '../support/e2e/bodies.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The control of real clamds (`test/clamav/clamav-control.ts`), or why there are none. */
    clamav: { url: string } | { missing: string }
  }
}

/** Starts, beside the runtime of the tests, what cannot run in it. Returns how to stop it. */
export default async function setup({ provide }: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (clamdMissing) {
    provide('clamav', { missing: clamdMissing })
    return undefined
  }
  const whole = noise(wholeFile.bytes, wholeFile.seed)
  const control = await startClamavControl({
    // The first half of EICAR's test file, in hexadecimal, anywhere in any file; one that is no text, and a name that lies.
    'test.ndb': [
      'Eicar-Test-Signature:0:*:58354f2150254041505b345c505a58353428505e2937434329377d244549434152',
      'Odd <b>Name</b>:0:*:deadbeefcafef00d0badf00d',
      '',
    ].join('\n'),
    'whole.hsb': `${createHash('sha256').update(whole).digest('hex')}:${wholeFile.bytes}:Whole-File:73\n`,
  })
  provide('clamav', { url: control.url })
  return control.stop
}
