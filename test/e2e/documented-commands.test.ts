import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildCommand, builtCommand } from '../support/e2e/command-line.ts'
import {
  type CommandBlock,
  commandBlocks,
  differences,
  documentedPages,
  withoutChanging,
} from '../support/e2e/documented-commands.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type LocalWorker, repository, startLocalWorker } from '../support/e2e/local-worker.ts'

/** Blocks that this test does not run, by a text that is in them, each with the reason. */
const notRun: { page: string; has: string; because: string }[] = [
  { page: 'README.md', has: 'npm run demo', because: 'every run of CI ends with the demo' },
  {
    page: 'README.md',
    has: 'npm run dev',
    because: 'runs until it is stopped; scripts.test.ts starts the same server',
  },
  { page: 'README.md', has: 'npm test', because: 'runs this test' },
  {
    page: 'README.md',
    has: 'npm run setup:cloudflare',
    because: 'setup-cloudflare.test.ts runs it on a stand-in account',
  },
  { page: 'docs/quickstart.md', has: 'npm run dev', because: 'runs until it is stopped' },
  { page: 'docs/operations.md', has: 'setup:cloudflare -- --host', because: 'setup-cloudflare.test.ts runs it' },
  {
    page: 'docs/operations.md',
    has: 'wrangler r2 bucket create',
    because: 'needs an account; the setup runs the same',
  },
  {
    page: 'docs/operations.md',
    has: 'wrangler d1 migrations apply',
    because: 'needs an account; the setup runs the same',
  },
  { page: 'docs/operations.md', has: 'git pull', because: 'changes the checkout' },
  { page: 'docs/configuration.md', has: 'wrangler r2 bucket create', because: 'needs an account' },
  { page: 'docs/configuration.md', has: 'wrangler d1 migrations apply', because: 'needs an account' },
  { page: 'docs/reliability.md', has: 'backlog.test.ts', because: 'is a test itself, and takes minutes' },
]

const adminToken = 'dev-admin-token'
/** The upload that the pages show. */
const exampleId = '01a20416-9f93-7593-baee-ab11b2f9977b'

let worker: LocalWorker
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stevedore-commands-'))
  await symlink(join(repository, 'samples'), join(folder, 'samples'))
  await copyFile(join(repository, 'samples/handbook.pdf'), join(folder, 'report.pdf'))
  await copyFile(join(repository, 'samples/harbour.png'), join(folder, 'photo.jpg'))
  await copyFile(join(repository, 'samples/harbour.png'), join(folder, 'harbour.png'))
  // Nothing listens there: a policy may ask for a scan, and no block waits for one.
  const [started] = await Promise.all([
    startLocalWorker({ ADMIN_TOKEN: adminToken, CLAMD_HOST: '127.0.0.1:1' }),
    buildCommand(),
  ])
  worker = started
  await administer('POST', '/v1/domains', { slug: 'demo', policy: { anonymousUpload: true, publicRead: true } })
})
afterAll(async () => {
  await worker?.stop()
  await rm(folder, { recursive: true, force: true })
})

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape
async function administer(method: string, path: string, body: object): Promise<any> {
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const answer = await worker.call(method, path, { headers, body: JSON.stringify(body) })
  expect(answer.status, answer.body.toString()).toBeLessThan(300)
  return answer.json()
}

/** The id of a file that is complete in a domain. */
async function completeUpload(slug: string): Promise<string> {
  const headers = { authorization: `Bearer ${adminToken}`, 'x-upload-domain': slug }
  const { id } = (await worker.call('PUT', '/v1/uploads/report.pdf', { headers, body: '%PDF-1.7\n' })).json()
  await eventually(async () => {
    expect((await worker.call('GET', `/v1/uploads/${id}/status`, { headers })).json().status).toBe('complete')
  })
  return id
}

/** What is said of the domain `acme`, of one that no other page has changed; at the server of this test. */
function translate(text: string, slug: string): string {
  return text
    .replaceAll(/\bacme\b/g, slug)
    .replace(/https:\/\/((?:[\w-]+\.)?)uploads\.example\.com/g, `http://$1localhost:${worker.port}`)
    .replaceAll(':8787', `:${worker.port}`)
}

/**
 * What the shell of a page knows beside its own commands. `npm run dev` is the server that runs already; what never ends
 * by itself, as a stream of events, is watched for two seconds.
 */
const prelude = `
npx() { [ "$1" = stevedore ] && shift && "$NODE" "$STEVEDORE" "$@"; }
npm() { [ "$*" = 'run dev' ]; }
curl() {
  local most=30
  case " $* " in *' -N '*) most=2 ;; esac
  command curl -q -sS $REFUSALS --max-time "$most" "$@" || [ $? -eq 28 ]
}
`

/** Runs a page's blocks in one shell, in their order, and gives what each has printed. Throws when one fails. */
async function runPage(blocks: readonly CommandBlock[], slug: string): Promise<string[]> {
  await administer('POST', '/v1/domains', { slug, policy: { callbackHosts: ['app.example.com'] } })
  const { key } = await administer('POST', `/v1/domains/${slug}/keys`, {
    scopes: ['upload', 'read', 'delete', 'manage'],
  })
  const [demoId, acmeId] = [await completeUpload('demo'), await completeUpload(slug)]
  const separator = '\u001e'
  const script = blocks.map(({ page, line, commands, answer }) => {
    const own = translate(commands, slug)
      .replace(`ID=${exampleId}`, `ID=${demoId}`)
      .replaceAll(exampleId, acmeId)
      .replaceAll('STEVEDORE_KEY=…', `STEVEDORE_KEY=${key}`)
    // A refusal is what a page may mean to show; where it shows no answer, it is a mistake.
    const refusals = answer ? '' : '--fail-with-body'
    return `echo '${page}:${line}' >&2\nREFUSALS=${refusals}\n${own}\nprintf '${separator}'`
  })
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    NODE: process.execPath,
    STEVEDORE: builtCommand,
    STEVEDORE_URL: `http://localhost:${worker.port}`,
    STEVEDORE_KEY: key,
    KEY: key,
    ADMIN_TOKEN: adminToken,
    ID: demoId,
  } as unknown as NodeJS.ProcessEnv
  const stdout = await new Promise<string>((resolve, reject) => {
    const args = ['--norc', '-euo', 'pipefail', '-c', [prelude, ...script].join('\n')]
    execFile('bash', args, { cwd: folder, env, timeout: 50_000 }, (error, out, err) => {
      if (error) reject(new Error(`${error.message.split('\n')[0]}\n${err}\n${out}`))
      else resolve(out)
    })
  })
  return stdout.split(separator)
}

/** What differs between what a block has printed and what its page shows for it. */
function differencesOf({ answer }: CommandBlock, printed: string, slug: string): string[] {
  if (!answer) return []
  const shown = translate(answer.text, slug)
  if (answer.language === 'json') return differences(JSON.parse(shown), JSON.parse(printed))
  const [expected, came] = [shown, printed].map((text) => withoutChanging(text).trim())
  return expected === came ? [] : [`printed:\n${printed}`]
}

const isNotRun = ({ page, commands }: CommandBlock) =>
  notRun.some((entry) => entry.page === page && commands.includes(entry.has))

describe('the commands of the pages', () => {
  const blocks = documentedPages().flatMap(commandBlocks)

  test('are found, and each that is not run has a reason that is still needed', () => {
    expect(blocks.length).toBeGreaterThan(20)
    for (const entry of notRun) {
      const found = blocks.filter(({ page, commands }) => entry.page === page && commands.includes(entry.has))
      expect(found.length, `${entry.page}: ${entry.has}`).toBeGreaterThan(0)
    }
  })

  const pages = Map.groupBy(
    blocks.filter((block) => !isNotRun(block)),
    ({ page }) => page,
  )

  test.each([...pages])('of %s do what the page says', async (page, pageBlocks) => {
    const slug = `acme-${[...pages.keys()].indexOf(page)}`
    const printed = await runPage(pageBlocks, slug)
    const found = pageBlocks.flatMap((block, index) =>
      differencesOf(block, printed[index] ?? '', slug).map((difference) => `${block.page}:${block.line} ${difference}`),
    )
    expect(found, printed.join('\n---\n')).toEqual([])
  })
})
