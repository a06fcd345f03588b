import type { Command } from 'commander'
import type { Act } from '../session.ts'

/** `health`: whether the server is there and configured. */
export function addHealth(program: Command, act: Act): void {
  program
    .command('health')
    .description('ask whether the server is up')
    .addHelpText('after', '\nExample:\n  $ stevedore health && stevedore upload report.pdf')
    .action(
      act(async ({ client, out }) => {
        const answer = await client.json<object>('GET', '/healthz')
        const { origin } = client.settings.url
        out.result({ url: origin, ...answer }, `${origin} is up.`)
      }),
    )
}
