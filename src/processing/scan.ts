import { z } from 'zod'
import type { MalwareScanner, ScannerVersion } from '../core/ports.ts'
import { defineStep, type Step } from './step.ts'

/** As much as clamd looks at when it is installed and not configured: `MaxFileSize` and `StreamMaxLength`. */
const defaultMaxBytes = 100 * 1024 * 1024
/** ClamAV can't look at files of 2 GiB and more, and calls them clean. */
const mostBytes = 2 ** 31 - 1

const options = z.strictObject({
  maxBytes: z
    .int()
    .min(1)
    .max(mostBytes)
    .default(defaultMaxBytes)
    .describe('The largest file that is scanned, in bytes; a larger one fails. No more than clamd is configured for.'),
})

/** Has every file looked at for malware. What is not clearly clean is not complete. */
export function scanStep(scanner: MalwareScanner | null): Step {
  return defineStep({
    name: 'scan',
    options,
    accepts: () => true,
    forbidsEarlyReading: true,
    ...(scanner ? {} : { unavailable: 'needs a ClamAV daemon, and this deployment has none: CLAMD_HOST is not set' }),
    async run({ file, options: { maxBytes }, read, signal, progress }) {
      if (!scanner) throw new Error('There is nothing to scan with.')
      if (file.size > maxBytes) {
        return {
          kind: 'verdict',
          verdict: 'failed',
          code: 'too-large-to-scan',
          detail: `The file has ${file.size} bytes; files of at most ${maxBytes} are scanned, and no other is served.`,
        }
      }
      const bytes = await read()
      if (!bytes) {
        return {
          kind: 'verdict',
          verdict: 'failed',
          code: 'content-missing',
          detail: 'The stored file is gone. Upload it again.',
        }
      }
      const terms = { size: file.size, signal, progress: (sent: number) => progress(sent / file.size) }
      const answer = await scanner.scan(bytes, terms)
      switch (answer.kind) {
        case 'clean':
          return { kind: 'result', result: { malware: null, ...describeVersion(answer.version) } }
        case 'infected':
          return {
            kind: 'verdict',
            verdict: 'quarantined',
            code: 'malware-found',
            detail: `The file holds malware, by the signature ${answer.signature}.`,
          }
        case 'unclear':
          return { kind: 'retry', detail: answer.reason }
      }
    },
  })
}

function describeVersion(version: ScannerVersion | null) {
  const signatures = version?.signatures ?? null
  const madeAt = signatures?.madeAt ?? null
  return {
    engine: version?.engine ?? null,
    signatures: signatures?.number ?? null,
    signaturesMadeAt: madeAt === null ? null : new Date(madeAt).toISOString(),
  }
}
