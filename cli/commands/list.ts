import type { Command } from 'commander'
import type { Upload } from '../api.ts'
import type { Client } from '../client.ts'
import { type Page, readAllPages } from '../pages.ts'
import type { Act } from '../session.ts'
import { formatBytes, renderTable } from '../table.ts'
import { parseCount, parseMoment, printable } from '../text.ts'

interface ListOptions {
  status?: string
  type?: string
  after?: string
  before?: string
  limit?: string
  cursor?: string
  all?: boolean
}

/** The most that the server gives in one page. */
const largestPage = 100

/** `list`: a domain's uploads, newest first. */
export function addList(program: Command, act: Act): void {
  program
    .command('list')
    .description('list the uploads of the domain, newest first')
    .option('--status <status>', 'only those at this status, such as complete or failed')
    .option('--type <type>', 'only those of this media type, such as image/png or image/*')
    .option('--after <time>', 'only those made after this: 2027-01-31, 2027-01-31T12:00:00Z, or 7d for 7 days ago')
    .option('--before <time>', 'only those made before this')
    .option('--limit <n>', 'how many in a page, 100 at most')
    .option('--cursor <cursor>', 'go on where the page before ended')
    .option('--all', 'every page from there on')
    .addHelpText(
      'after',
      `
Examples:
  $ stevedore list --status failed --after 7d
  $ stevedore list --all --json | jq -r '.uploads[].id'`,
    )
    .action(
      act(async ({ client, out }, options: ListOptions) => {
        const page = await readPages(client, options)
        out.result(page, renderUploads(page.uploads, out.width))
        if (page.nextCursor !== null && !out.json) {
          out.note(`There are more: add --all, or --cursor ${page.nextCursor}`)
        }
      }),
    )
}

/** One page, or with `all` every page from there on as one. */
async function readPages(client: Client, options: ListOptions): Promise<Page<'uploads', Upload>> {
  const now = Date.now()
  const { status, type, after, before, limit, cursor, all } = options
  const query = {
    status,
    type,
    created_after: after && parseMoment(after, '--after', now, 'ago'),
    created_before: before && parseMoment(before, '--before', now, 'ago'),
    limit: limit === undefined ? all && largestPage : parseCount(limit, '--limit'),
    cursor,
  }
  return all ? readAllPages(client, '/v1/uploads', 'uploads', query) : client.json('GET', '/v1/uploads', { query })
}

function renderUploads(uploads: readonly Upload[], width: number): string {
  if (uploads.length === 0) return 'No uploads.'
  const rows = uploads.map(({ id, status, type, size, createdAt, filename }) =>
    [id, status, type, formatBytes(size), createdAt, filename].map(printable),
  )
  return renderTable(['Id', 'Status', 'Type', 'Size', 'Made', 'Name'], rows, width)
}
