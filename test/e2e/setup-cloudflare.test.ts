import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { placeholder, readProduction, writeProduction } from '../../scripts/setup-cloudflare/configuration.ts'
import { type Ask, answerAll, askIn } from '../../scripts/setup-cloudflare/questions.ts'
import { failureOf } from '../../scripts/setup-cloudflare/wrangler.ts'
import { type LocalWorker, repository, startLocalWorker } from '../support/e2e/local-worker.ts'
import { type Passage, startMeddlingProxy } from '../support/e2e/meddling-proxy.ts'

const standIn = join(repository, 'test/wrangler-stand-in')
const adminToken = 'the-token-of-the-deployment'
const databaseId = '11111111-2222-4333-8444-555555555555'
const isFull = Boolean(process.env.STEVEDORE_TEST_FULL)

/** A wrangler.toml as it is where nobody has run the setup: without routes, with the placeholders. */
const beforeSetup = (text: string) =>
  text
    .replace(/^routes = .*\n/m, '')
    .replace(/^BASE_DOMAIN = "(?!localhost").*"$/m, `BASE_DOMAIN = "${placeholder.host}"`)
    .replaceAll(/^database_id = "[^"]*"/gm, `database_id = "${placeholder.databaseId}"`)
/** The repository's own; whoever works here may have set it up. */
const original = beforeSetup(readFileSync(join(repository, 'wrangler.toml'), 'utf8'))

let worker: LocalWorker
let workspace: string
beforeAll(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'stevedore-setup-'))
  worker = await startLocalWorker({ ADMIN_TOKEN: adminToken })
})
afterAll(async () => {
  await worker?.stop()
  await rm(workspace, { recursive: true, force: true })
})

let accounts = 0

/** An account of its own, a checkout of its own, and a domain that no other test has. */
class Account {
  readonly domain = `customer-${++accounts}`
  readonly folder = join(workspace, this.domain)
  readonly state = join(this.folder, 'account')

  static async open(): Promise<Account> {
    const account = new Account()
    await mkdir(account.state, { recursive: true })
    await writeFile(join(account.folder, 'wrangler.toml'), original)
    return account
  }

  /** Runs the setup to its end. The stand-in counts its commands from 1 in each run. */
  async setUp(env: Record<string, string> = {}, ...flags: string[]): Promise<Ended> {
    return this.setUpAt(`http://localhost:${worker.port}`, env, ...flags)
  }

  async setUpAt(url: string, env: Record<string, string> = {}, ...flags: string[]): Promise<Ended> {
    await rm(join(this.state, 'calls'), { force: true })
    const args = ['--host', 'uploads.acme.test', '--domain', this.domain, '--url', url, '--yes', ...flags]
    return runSetup(args, this.folder, { STAND_IN_STATE: this.state, ...env })
  }

  /** Puts the secret that the deployed server has where the setup keeps the one that it would make. */
  async expectToken(): Promise<void> {
    await mkdir(join(this.folder, '.stevedore/setup'), { recursive: true })
    await writeFile(this.notesFile, JSON.stringify({ adminToken }))
  }

  readonly notesFile = join(this.folder, '.stevedore/setup/uploads.acme.test.json')
  readonly read = (name: string) => readFile(join(this.state, name), 'utf8')
  readonly list = async (name: string) => (await readdir(join(this.state, name))).sort()
  readonly configuration = () => readFile(join(this.folder, 'wrangler.toml'), 'utf8')
}

interface Ended {
  exitCode: number | null
  stdout: string
  stderr: string
}

function runSetup(args: string[], cwd: string, env: Record<string, string>): Promise<Ended> {
  const child = spawn(process.execPath, [join(repository, 'scripts/setup-cloudflare.ts'), ...args], {
    cwd,
    env: { PATH: `${standIn}:${process.env.PATH}`, ...env } as unknown as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode) => resolve({ exitCode, ...said }))
  })
}

const keysOf = async (slug: string) =>
  (await worker.call('GET', `/v1/domains/${slug}/keys`, { headers: { authorization: `Bearer ${adminToken}` } })).json()
    .keys

const uploadsOf = async (slug: string) =>
  (
    await worker.call('GET', '/v1/uploads', {
      headers: { authorization: `Bearer ${adminToken}`, 'x-upload-domain': slug },
    })
  ).json().uploads

/** All is there, once, and works with what was shown. */
async function expectDeployed(account: Account, { stdout, stderr, exitCode }: Ended, before = '') {
  expect(exitCode, `${stdout}\n${stderr}`).toBe(0)
  expect(existsSync(join(account.state, 'made-twice'))).toBe(false)
  expect(await account.list('buckets')).toEqual(['stevedore'])
  expect(await account.list('rules')).toEqual(['stevedore'])
  expect(await account.list('databases')).toEqual(['stevedore'])
  expect(await account.list('queues')).toEqual(['stevedore-jobs', 'stevedore-jobs-dead'])
  expect(await account.list('secrets')).toEqual(['ADMIN_TOKEN', 'SIGNING_SECRET'])
  expect(await account.read('secrets/ADMIN_TOKEN')).toBe(`${adminToken}\n`)
  expect(await account.read('deployed')).toBe(await account.configuration())
  expect(await account.read('deployed')).toContain(databaseId)

  // Token and key were shown once, whichever run it was that came to its end.
  const shown = before + stdout
  expect(shown.split(adminToken)).toHaveLength(2)
  const keys = shown.match(/stv_[\w-]+/g) ?? []
  expect(keys).toHaveLength(1)
  expect(await keysOf(account.domain)).toHaveLength(1)
  const answer = await worker.call('PUT', '/v1/uploads/a.txt', {
    headers: { authorization: `Bearer ${keys[0]}` },
    body: 'by the key that was shown',
  })
  expect(answer.status).toBe(202)
  expect((await uploadsOf(account.domain)).map(({ filename }: { filename: string }) => filename)).toEqual(['a.txt'])
}

describe('an account with nothing on it', () => {
  test('has a deployment after one command, and the same one after another', async () => {
    const account = await Account.open()
    await account.expectToken()
    const first = await account.setUp()
    await expectDeployed(account, first)
    expect(first.stdout).toMatch(/test upload: complete after \d+ ms, and deleted/)
    const secret = await account.read('secrets/SIGNING_SECRET')
    expect(secret.trim().length).toBeGreaterThanOrEqual(32)
    expect(first.stdout + first.stderr).not.toContain(secret.trim())
    expect((await stat(account.notesFile)).mode & 0o777).toBe(0o600)
    expect(await readFile(account.notesFile, 'utf8')).not.toMatch(/stv_|the-token/)

    const configuration = await account.configuration()
    const again = await account.setUp({ ADMIN_TOKEN: adminToken })
    expect(again.exitCode, again.stderr).toBe(0)
    expect(again.stdout).not.toMatch(new RegExp(`stv_|${adminToken}`))
    expect(await account.configuration()).toBe(configuration)
    expect(await account.read('secrets/SIGNING_SECRET')).toBe(secret)
    expect(existsSync(join(account.state, 'made-twice'))).toBe(false)
    expect(await keysOf(account.domain)).toHaveLength(1)
    expect(again.stdout).toContain('test upload: complete')

    const withoutToken = await account.setUp()
    expect(withoutToken.exitCode, withoutToken.stderr).toBe(0)
    expect(withoutToken.stdout).toContain('ADMIN_TOKEN is not known here')
  })

  test('gets a token of its own, that no command line shows', async () => {
    const account = await Account.open()
    const { exitCode, stderr } = await account.setUp()
    // The server of this test has another token, and says so.
    expect(exitCode).toBe(1)
    expect(stderr).toContain('The credential is not known')
    const token = (await account.read('secrets/ADMIN_TOKEN')).trim()
    expect(token.length).toBeGreaterThanOrEqual(32)
    expect(await account.read('calls')).not.toContain(token)
    expect(JSON.parse(await readFile(account.notesFile, 'utf8'))).toMatchObject({ adminToken: token })
  })
})

/** What a run on an empty account asks wrangler for. Those that change something come after those that look. */
const commands: { args: string; changes?: true }[] = [
  { args: 'whoami --json' },
  { args: 'r2 bucket info stevedore --json' },
  { args: 'r2 bucket create stevedore', changes: true },
  { args: 'r2 bucket lifecycle list stevedore' },
  { args: 'r2 bucket lifecycle add stevedore abort-unfinished --abort-multipart-days 7 --force', changes: true },
  { args: 'd1 list --json' },
  { args: 'd1 create stevedore', changes: true },
  { args: 'queues info stevedore-jobs' },
  { args: 'queues create stevedore-jobs', changes: true },
  { args: 'queues info stevedore-jobs-dead' },
  { args: 'queues create stevedore-jobs-dead', changes: true },
  { args: 'd1 list --json' },
  { args: 'd1 list --json' },
  { args: 'd1 migrations list DB --remote --env production' },
  { args: 'd1 migrations apply DB --remote --env production', changes: true },
  { args: 'secret list --env production --format json' },
  { args: 'secret list --env production --format json' },
  { args: 'secret bulk --env production', changes: true },
  { args: 'deploy --env production', changes: true },
]

describe('a setup that fails', () => {
  test('has the commands that the failures below suppose', async () => {
    const account = await Account.open()
    await account.expectToken()
    await account.setUp()
    expect((await account.read('calls')).trimEnd().split('\n')).toEqual(commands.map(({ args }) => args))
  })

  const moments = commands.flatMap(({ args, changes }, index) => [
    { args, moment: `${index + 1} before`, isHard: false },
    // A connection that breaks after the change is made: what the next run must find, and not do again.
    ...(changes ? [{ args, moment: `${index + 1} after`, isHard: true }] : []),
  ])
  const chosen = moments.filter(({ isHard }) => isFull || isHard)

  test.concurrent.each(chosen)('at "$args", $moment it is done, ends well when it is run again', async ({ moment }) => {
    const account = await Account.open()
    await account.expectToken()
    const first = await account.setUp({ STAND_IN_FAIL: moment })
    expect(first.exitCode, first.stdout).toBe(1)
    expect(first.stderr).toMatch(/Internal error. Please try again later. \[code: 10013\]|not logged in/)
    expect(first.stderr).toContain('Run this again to go on from here.')
    await expectDeployed(account, await account.setUp(), first.stdout)
  })

  const requests = [
    'GET /healthz',
    'GET /v1/domains/customer',
    'POST /v1/domains ',
    'POST /v1/domains/customer',
    'PUT /v1/uploads/',
    'GET /v1/uploads/',
    'DELETE /v1/uploads/',
  ]
  // The hard ones: what they have made nobody knows of when their answer is lost.
  const lost = requests.flatMap((request) => [
    { request, when: 'before' },
    { request, when: 'after' },
  ])
  const chosenRequests = lost.filter(
    ({ request, when }) => isFull || (when === 'after' && /^(POST .*customer|PUT)/.test(request)),
  )

  test.concurrent.each(chosenRequests)(
    'whose connection breaks $when "$request" is served ends well when it is run again',
    async ({ request, when }) => {
      const account = await Account.open()
      await account.expectToken()
      let cuts = 0
      const cut = (chunk: Buffer, passage: Passage) => {
        if (passage.request.startsWith(request) && ++cuts > 0) passage.cut()
        return chunk
      }
      const proxy = await startMeddlingProxy(worker.port, when === 'before' ? { toServer: cut } : { toClient: cut })
      // With every try of the request cut off, as by a network that is down from there on.
      const first = await account.setUpAt(proxy.url)
      await proxy.close()
      expect(cuts).toBeGreaterThan(0)
      expect(first.exitCode, first.stdout).toBe(1)
      await expectDeployed(account, await account.setUp(), first.stdout)
    },
  )

  test.each([
    ['nobody is logged in', 'STAND_IN_LOGGED_OUT', 'Run "npx wrangler login"'],
    ['there are several accounts', 'STAND_IN_TWO_ACCOUNTS', '3d4e5f  Second'],
    ['the account has no R2', 'STAND_IN_NO_R2', 'Enable it at https://dash.cloudflare.com'],
  ])('says what to do when %s', async (_, variable, advice) => {
    const account = await Account.open()
    const { exitCode, stderr } = await account.setUp({ [variable]: '1' })
    expect(exitCode).toBe(1)
    expect(stderr).toContain(advice)
    expect(await account.list('buckets')).toEqual([])
  })

  test('says what to do about a deployment that is refused, whoever has read why', () => {
    const deploy = ['deploy', '--env', 'production']
    const refusal = 'Enable Analytics Engine [code: 10089]'
    expect(failureOf(deploy, { exitCode: 1, stdout: '', stderr: refusal }).message).toMatch(
      /not switched on for this account\. Switch it on at /,
    )
    // In a terminal wrangler speaks to the person alone.
    const unheard = failureOf(deploy, { exitCode: 1, stdout: '', stderr: '' }).message
    expect(unheard).toContain('If it says [code: 10089]: Analytics Engine')
    expect(unheard).toContain('If it says [code: 100328]: The Free plan')
  })

  test('makes no second database beside one that the account does not know', async () => {
    const account = await Account.open()
    const file = join(account.folder, 'wrangler.toml')
    const other = '99999999-2222-4333-8444-555555555555'
    await writeFile(file, (await account.configuration()).replaceAll('00000000-0000-0000-0000-000000000000', other))
    const { exitCode, stderr } = await account.setUp()
    expect(exitCode).toBe(1)
    expect(stderr).toContain(`wrangler.toml has the database ${other} as DB, and this account has none with that id`)
    expect(await account.list('databases')).toEqual([])
  })

  test('revokes the key that a run has made which could not write it down', async () => {
    const account = await Account.open()
    await account.expectToken()
    await account.setUp()
    // As it was before the key was written down.
    await writeFile(account.notesFile, JSON.stringify({ adminToken, dueKeys: [{ domain: account.domain }] }))
    const [before] = await keysOf(account.domain)
    const again = await account.setUp()
    await expectDeployed(account, again)
    expect(await keysOf(account.domain)).not.toEqual([before])
  })

  test('leaves the keys of a domain alone that it has not made', async () => {
    const account = await Account.open()
    await account.expectToken()
    await account.setUp()
    // As on another machine, or in a fresh checkout.
    await rm(account.notesFile)
    const before = await keysOf(account.domain)
    const again = await account.setUp({ ADMIN_TOKEN: adminToken })
    expect(again.exitCode, again.stderr).toBe(0)
    expect(again.stdout).not.toContain('stv_')
    expect((await keysOf(account.domain)).map(({ id }: { id: string }) => id)).toEqual(
      before.map(({ id }: { id: string }) => id),
    )
  })

  test('for one domain leaves the key of another as it is', async () => {
    const account = await Account.open()
    await account.expectToken()
    const first = await account.setUp()
    const key = /stv_[\w-]+/.exec(first.stdout)?.[0]
    const before = await keysOf(account.domain)
    const other = ['--domain', `${account.domain}-other`]

    // Cut off between writing down that the other is to have a key, and making it.
    const proxy = await startMeddlingProxy(worker.port, {
      toServer: (chunk, passage) => {
        if (passage.request.startsWith('POST /v1/domains ')) passage.cut()
        return chunk
      },
    })
    const cut = await account.setUpAt(proxy.url, { ADMIN_TOKEN: adminToken }, ...other)
    await proxy.close()
    expect(cut.exitCode, cut.stdout).toBe(1)

    const again = await account.setUp({ ADMIN_TOKEN: adminToken })
    expect(again.exitCode, again.stderr).toBe(0)
    expect(again.stdout).not.toContain('stv_')
    expect((await keysOf(account.domain)).map(({ id }: { id: string }) => id)).toEqual(
      before.map(({ id }: { id: string }) => id),
    )
    const finished = await account.setUp({ ADMIN_TOKEN: adminToken }, ...other)
    expect(finished.exitCode, finished.stderr).toBe(0)
    expect(finished.stdout.match(/stv_[\w-]+/g)).toEqual([expect.not.stringContaining(String(key))])
  })

  test('says what is wrong with a flag', async () => {
    const account = await Account.open()
    for (const [flags, message] of [
      [['--host', 'https://uploads.acme.test'], '"https://uploads.acme.test" is no host.'],
      [['--zone', 'other.test'], 'The host uploads.acme.test does not lie in the zone other.test.'],
      [['--domain', 'Big Customer'], '"Big Customer" is no slug of a domain'],
      [['--domain', 'admin'], 'it is reserved'],
      [['--no-such-flag'], "unknown option '--no-such-flag'"],
    ] as const) {
      const { exitCode, stderr } = await account.setUp({}, ...flags)
      expect(stderr).toContain(message)
      expect(exitCode).toBe(1)
    }
    expect(existsSync(join(account.state, 'calls'))).toBe(false)
  })
})

describe('a dry run', () => {
  const lookOnly =
    /^(whoami|r2 bucket info|r2 bucket lifecycle list|d1 list|d1 migrations list|queues info|secret list) ?/

  test('shows every command, and runs none that changes anything', async () => {
    const account = await Account.open()
    const before = await account.configuration()
    const { exitCode, stdout, stderr } = await account.setUp({}, '--dry-run')
    expect(exitCode, stderr).toBe(0)
    for (const { args } of commands.filter(({ changes }) => changes)) expect(stdout).toContain(`npx wrangler ${args}`)
    for (const call of (await account.read('calls')).trimEnd().split('\n')) expect(call).toMatch(lookOnly)
    expect(await account.configuration()).toBe(before)
    expect(existsSync(account.notesFile)).toBe(false)
  })

  test('leaves out what is done already', async () => {
    const account = await Account.open()
    await account.expectToken()
    await account.setUp()
    const { stdout } = await account.setUp({}, '--dry-run')
    expect(stdout.match(/npx wrangler .*/g)).toEqual(['npx wrangler deploy --env production'])
  })

  test('shows all of it to whoever is not logged in', async () => {
    const account = await Account.open()
    const { exitCode, stdout } = await account.setUp({ STAND_IN_LOGGED_OUT: '1' }, '--dry-run')
    expect(exitCode).toBe(0)
    expect(stdout.match(/npx wrangler .*/g)).toHaveLength(8)
  })
})

describe('questions', () => {
  const production = readProduction(original)
  const noEarlierDomain = async () => undefined

  test('are asked for what no flag says, with what is likely', async () => {
    const asked: string[] = []
    const replies = ['uploads.acme.test', '', 'acme']
    const ask: Ask = async (question, proposal) => {
      asked.push(`${question}: ${proposal}`)
      return replies.shift() || proposal || ''
    }
    const answers = await answerAll({ yes: false, dryRun: false }, production, noEarlierDomain, ask)
    expect(asked).toEqual([
      'Host of the deployment: undefined',
      'Cloudflare zone of uploads.acme.test: acme.test',
      'Slug of the first domain: undefined',
    ])
    expect(answers).toEqual({
      host: 'uploads.acme.test',
      zone: 'acme.test',
      domain: 'acme',
      url: new URL('https://uploads.acme.test'),
    })
  })

  test('are not asked again about what an earlier run has decided', async () => {
    const decided = { ...production, host: 'files.uploads.acme.test', zone: 'acme.test' }
    const ask: Ask = async (question) => expect.fail(question)
    const answers = await answerAll({ yes: false, dryRun: false }, decided, async () => 'acme', ask)
    expect(answers).toMatchObject({ host: 'files.uploads.acme.test', zone: 'acme.test', domain: 'acme' })
  })

  test('can be answered in a terminal, an empty line being what is proposed', async () => {
    const [input, output] = [new PassThrough(), new PassThrough()]
    const ask = askIn(input, output, new AbortController().signal)
    const host = ask('Host', undefined)
    input.write('uploads.acme.test\n')
    expect(await host).toBe('uploads.acme.test')
    const zone = ask('Zone', 'acme.test')
    input.write('\n')
    expect(await zone).toBe('acme.test')
    expect(output.read().toString()).toContain('Zone (acme.test): ')
  })

  test('that nobody is there to answer are a failure that names the flag', async () => {
    await expect(answerAll({ yes: true, dryRun: false }, production, noEarlierDomain, undefined)).rejects.toThrow(
      'Host of the deployment: give it by --host.',
    )
  })
})

describe('wrangler.toml', () => {
  const deployment = { host: 'uploads.acme.test', zone: 'acme.test', databaseIds: new Map([['DB', databaseId]]) }

  test('gets host, routes and ids, and keeps every other line', () => {
    const written = writeProduction(original, deployment)
    const lines = (text: string) => text.split('\n')
    expect(lines(written).filter((line) => !lines(original).includes(line))).toEqual([
      'routes = [{pattern = "uploads.acme.test", custom_domain = true}, {pattern = "*.uploads.acme.test/*", zone_name = "acme.test"}]',
      'BASE_DOMAIN = "uploads.acme.test"',
      `database_id = "${databaseId}" # as \`wrangler d1 create stevedore\` prints it`,
    ])
    expect(lines(original).filter((line) => !lines(written).includes(line))).toEqual([
      'BASE_DOMAIN = "uploads.example.com"',
      'database_id = "00000000-0000-0000-0000-000000000000" # as `wrangler d1 create stevedore` prints it',
    ])
    expect(readProduction(written)).toMatchObject({ host: 'uploads.acme.test', databases: [{ id: databaseId }] })
  })

  test('stays as it is when it says all of it already', () => {
    const written = writeProduction(original, deployment)
    expect(writeProduction(written, deployment)).toBe(written)
    expect(beforeSetup(written)).toBe(original)
  })

  test('keeps routes that somebody has added, and has none on workers.dev', () => {
    const written = writeProduction(original, deployment)
    const extended = written.replace('routes = [', 'routes = [{ pattern = "files.other.test", custom_domain = true }, ')
    expect(writeProduction(extended, deployment)).toBe(extended)
    const host = 'stevedore-production.acme.workers.dev'
    expect(writeProduction(original, { ...deployment, host, zone: null })).not.toMatch(/^routes/m)
  })

  test('is refused with the place when it lacks something', () => {
    expect(() => readProduction('name = "stevedore"\n[env.production]\n')).toThrow(/env\.production\.vars/)
    expect(() => readProduction('name = ')).toThrow('wrangler.toml is no TOML')
  })
})
