import type { Command } from 'commander'
import type { UploadStatus } from '../api.ts'
import { exitCodes } from '../errors.ts'
import { followStatus, readStatus } from '../follow.ts'
import { exitCodeOf, resultsOf, workOnEach } from '../outcomes.ts'
import type { Act } from '../session.ts'
import { printable } from '../text.ts'

/** `status`: how far uploads are. */
export function addStatus(program: Command, act: Act): void {
  program
    .command('status <id...>')
    .description('show how far uploads are')
    .option(
      '--wait',
      'wait until each is complete, failed or quarantined; then 1 is the exit code if one is not complete',
    )
    .addHelpText('after', '\nExample:\n  $ stevedore status 01a20416-9f93-7593-baee-ab11b2f9977b --wait')
    .action(
      act(async ({ client, out }, { wait = false }: { wait?: boolean }, ids: string[]) => {
        const outcomes = await workOnEach(out, ids, String, async (id) => {
          const status = await (wait ? followStatus(client, id) : readStatus(client, id))
          out.line(describe(status))
          return status
        })
        out.document(resultsOf(outcomes, (id, status) => ({ id, ...status })))
        const isBad = wait && outcomes.some(({ value }) => value && value.status !== 'complete')
        return Math.max(exitCodeOf(outcomes), isBad ? exitCodes.refused : exitCodes.ok)
      }),
    )
}

function describe({ id, status, failure, steps }: UploadStatus): string {
  const done = steps.filter((step) => step.status === 'complete').length
  const why = failure ? `  ${failure.detail} (${failure.code})` : ''
  return printable(`${id}  ${status}  ${done} of ${steps.length} steps${why}`)
}
