import type { Command } from 'commander'
import { segment } from '../client.ts'
import type { Act } from '../session.ts'
import { parseDuration, printable } from '../text.ts'

interface LinkOptions {
  expires?: string
  filename?: string
}

/** `link`: an address of an upload's content that works without a key, for a while. */
export function addLink(program: Command, act: Act): void {
  program
    .command('link <id>')
    .description('make a download link that needs no key')
    .option('--expires <duration>', 'for how long it works, such as 15m or 7d; the server has a default')
    .option('--filename <name>', 'the name under which browsers save it')
    .addHelpText('after', '\nExample:\n  $ stevedore link 01a20416-9f93-7593-baee-ab11b2f9977b --expires 1h')
    .action(
      act(async ({ client, out }, options: LinkOptions, id: string) => {
        const { expires, filename } = options
        const json = {
          ...(expires !== undefined && { expiresInSeconds: parseDuration(expires, '--expires') }),
          ...(filename !== undefined && { filename }),
        }
        const path = `/v1/uploads/${segment(id)}/links`
        const link = await client.json<{ url: string; expiresAt: string }>('POST', path, { json })
        out.result(link, printable(link.url))
        if (!out.json) out.note(`Works until ${link.expiresAt}, for everybody who has it.`)
      }),
    )
}
