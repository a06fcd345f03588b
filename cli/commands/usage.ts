import type { Command } from 'commander'
import type { Usage } from '../api.ts'
import { segment } from '../client.ts'
import { type Act, requireDomain } from '../session.ts'
import { formatBytes } from '../table.ts'
import { renderFields } from '../text.ts'

/** `usage`: what a domain holds, against its quota. */
export function addUsage(program: Command, act: Act): void {
  program
    .command('usage')
    .description('show what a domain holds, against its quota')
    .addHelpText('after', '\nExample:\n  $ stevedore usage --domain acme')
    .action(
      act(async (session) => {
        const slug = requireDomain(session)
        const usage = await session.client.json<Usage>('GET', `/v1/domains/${segment(slug)}/usage`)
        const { files, bytes, quotaFiles, quotaBytes, uploadsThisMonth } = usage
        const ofQuota = (quota: string | null) => (quota === null ? '' : ` of ${quota}`)
        const fields = [
          ['Files', `${files}${ofQuota(quotaFiles === null ? null : String(quotaFiles))}`],
          ['Bytes', `${formatBytes(bytes)}${ofQuota(quotaBytes === null ? null : formatBytes(quotaBytes))}`],
          ['Uploads this month', String(uploadsThisMonth)],
        ] as const
        session.out.result(usage, renderFields(fields))
      }),
    )
}
