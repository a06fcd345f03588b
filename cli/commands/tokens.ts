import type { Command } from 'commander'
import type { Act } from '../session.ts'
import { parseAssignment, parseBytes, parseCount, parseDuration, parseList, printable } from '../text.ts'

interface TokenOptions {
  expires?: string
  maxFileBytes?: string
  maxFiles?: string
  uses?: string
  types?: string
  metadata?: string[]
}

/** `tokens create`: short-lived tokens with which a browser uploads. */
export function addTokens(program: Command, act: Act): void {
  const tokens = program
    .command('tokens')
    .description('upload tokens for browsers')
    .addHelpText('after', '\nExample:\n  $ stevedore tokens create --domain acme --expires 15m')
  tokens
    .command('create')
    .description('make a short-lived upload token for the domain')
    .option('--expires <duration>', 'for how long it works, such as 15m; the server has a default')
    .option('--max-file-bytes <size>', 'the largest file, such as 10MB')
    .option('--max-files <n>', 'the most files in one request')
    .option('--uses <n>', 'how many files it may bring in, all together')
    .option('--types <types>', 'the media types it takes, such as image/*,application/pdf')
    .option('--metadata <key=value...>', 'metadata that its uploads get, and cannot change')
    .addHelpText(
      'after',
      "\nExample:\n  $ stevedore tokens create --domain acme --expires 15m --types 'image/*' --uses 1",
    )
    .action(
      act(async ({ client, out }, options: TokenOptions) => {
        const token = await client.json<{ token: string; expiresAt: string }>('POST', '/v1/upload-tokens', {
          json: tokenRequest(options),
        })
        out.result(token, printable(token.token))
        if (!out.json) out.note(`Works until ${token.expiresAt}. Send it as "Authorization: Bearer …".`)
      }),
    )
}

function tokenRequest({ expires, maxFileBytes, maxFiles, uses, types, metadata }: TokenOptions) {
  const pairs = metadata?.map((pair) => parseAssignment(pair, '--metadata'))
  return {
    ...(expires !== undefined && { expiresInSeconds: parseDuration(expires, '--expires') }),
    ...(maxFileBytes !== undefined && { maxFileBytes: parseBytes(maxFileBytes, '--max-file-bytes') }),
    ...(maxFiles !== undefined && { maxFiles: parseCount(maxFiles, '--max-files') }),
    ...(uses !== undefined && { uses: parseCount(uses, '--uses') }),
    ...(types !== undefined && { types: parseList(types) }),
    ...(pairs && { metadata: Object.fromEntries(pairs) }),
  }
}
