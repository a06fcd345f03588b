import type { Command } from 'commander'
import { segment } from '../client.ts'
import { exitCodeOf, resultsOf, workOnEach } from '../outcomes.ts'
import type { Act } from '../session.ts'
import { printable } from '../text.ts'

/** `delete`: removes uploads. */
export function addDelete(program: Command, act: Act): void {
  program
    .command('delete <id...>')
    .description('delete uploads; there is no way back')
    .addHelpText('after', '\nExample:\n  $ stevedore delete 01a20416-9f93-7593-baee-ab11b2f9977b')
    .action(
      act(async ({ client, out }, _options: object, ids: string[]) => {
        const outcomes = await workOnEach(out, ids, String, async (id) => {
          await client.json('DELETE', `/v1/uploads/${segment(id)}`)
          out.line(`${printable(id)}  deleted`)
          return { deleted: true }
        })
        out.document(resultsOf(outcomes, (id, answer) => ({ id, ...answer })))
        return exitCodeOf(outcomes)
      }),
    )
}
