import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildCommand, expectExit, type Run, stevedore } from '../support/e2e/command-line.ts'
import { adminToken, type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'

let worker: LocalWorker
let folder: string
let note: string

beforeAll(async () => {
  await buildCommand()
  worker = await startLocalWorker()
  folder = await mkdtemp(join(tmpdir(), 'stevedore-cli-'))
  note = join(folder, 'note.txt')
  await writeFile(note, 'a note\n')
})

afterAll(async () => {
  await worker?.stop()
  if (folder) await rm(folder, { recursive: true, force: true })
})

const withKey = (key: string, args: string[], { env, ...options }: Run = {}) =>
  stevedore(args, {
    ...options,
    env: { STEVEDORE_URL: `http://localhost:${worker.port}`, STEVEDORE_KEY: key, ...env },
  })
const asAdministrator = (...args: string[]) => withKey(adminToken, args)

/** Makes a domain, and gives the document that the command printed. */
async function makeDomain(slug: string, ...words: string[]) {
  const made = await asAdministrator('domains', 'create', slug, ...words, '--json')
  expectExit(made, 0)
  return made.json()
}

/** Makes a key and gives what the command printed: the key alone. */
async function makeKey(slug: string, scopes: string): Promise<string> {
  const made = await asAdministrator('keys', 'create', '--domain', slug, '--scopes', scopes)
  expectExit(made, 0)
  return made.stdout.toString().trim()
}

async function uploadNote(key: string): Promise<string> {
  const sent = await withKey(key, ['upload', note, '--wait', '--json'])
  expectExit(sent, 0)
  return sent.json().results[0].upload.id
}

describe('domains', () => {
  it('are shown, listed and changed, and fields that are not named stay', async () => {
    await makeDomain('changed', 'maxFileBytes=1kB', 'quotaFiles=5')
    const set = await asAdministrator('domains', 'set', 'changed', 'maxFileBytes=2KiB', 'quotaFiles=null', '--json')
    expectExit(set, 0)
    const shown = await asAdministrator('domains', 'show', 'changed', '--json')
    expectExit(shown, 0)
    expect(shown.json().policy).toMatchObject({ maxFileBytes: 2048, quotaFiles: null, maxFilesPerRequest: 100 })
    expect((await asAdministrator('domains', 'show', 'changed')).stdout.toString()).toMatch(/^ {2}maxFileBytes +2048$/m)

    const listed = await asAdministrator('domains', 'list', '--json')
    expectExit(listed, 0)
    expect(listed.json().domains.map(({ slug }: { slug: string }) => slug)).toContain('changed')
    const nothing = await asAdministrator('domains', 'set', 'changed')
    expectExit(nothing, 2)
    expect(nothing.stderr).toMatch(/^ {2}retentionDays +Files are deleted/m)
  })

  it('have the steps of their policy set as JSON', async () => {
    await makeDomain('stepped')
    const steps = [{ step: 'inspect' }, { step: 'inspect', as: 'again', options: {} }]
    const set = await asAdministrator('domains', 'set', 'stepped', `steps=${JSON.stringify(steps)}`, '--json')
    expectExit(set, 0)
    expect(set.json().policy.steps).toEqual(steps)
    for (const text of ['inspect', '[{"step":"inspect"']) {
      const wrong = await asAdministrator('domains', 'set', 'stepped', `steps=${text}`)
      expectExit(wrong, 2)
      expect(wrong.stderr).toContain(`steps must be a list of objects, as JSON, not "${text}".`)
    }
    const unknown = await asAdministrator('domains', 'set', 'stepped', 'steps=[{"step":"polish"}]')
    expectExit(unknown, 1)
    expect(unknown.stderr).toContain('json.policy.steps.0.step')
  })

  it('that are suspended read and do not accept, until they are resumed', async () => {
    await makeDomain('paused')
    const key = await makeKey('paused', 'upload,read')
    const id = await uploadNote(key)
    expectExit(await asAdministrator('domains', 'suspend', 'paused'), 0)
    const refused = await withKey(key, ['upload', note, '--json'])
    expectExit(refused, 1)
    expect(refused.json().results[0].error.code).toBe('domain-suspended')
    expectExit(await withKey(key, ['download', id, '-o', '-']), 0)
    expect((await asAdministrator('domains', 'list')).stdout.toString()).toMatch(/^paused +suspended /m)
    const resumed = await asAdministrator('domains', 'resume', 'paused', '--json')
    expectExit(resumed, 0)
    expect(resumed.json().suspendedAt).toBeNull()
  })

  it('that are deleted can be taken back', async () => {
    await makeDomain('missed')
    const deleted = await asAdministrator('domains', 'delete', 'missed')
    expectExit(deleted, 0)
    expect(deleted.stderr).toContain('stevedore domains restore missed')
    const slugs = async (...args: string[]) =>
      (await asAdministrator('domains', 'list', '--json', ...args))
        .json()
        .domains.map((it: { slug: string }) => it.slug)
    expect(await slugs()).not.toContain('missed')
    expect(await slugs('--deleted')).toContain('missed')
    expectExit(await asAdministrator('domains', 'restore', 'missed'), 0)
    expect(await slugs()).toContain('missed')
  })

  it('are run by their manager within what the administrator allows, and no further', async () => {
    await makeDomain('managed', 'maxFileBytes=1MB')
    const manager = await makeKey('managed', 'manage')
    const narrower = await withKey(manager, ['domains', 'set', 'managed', 'maxFileBytes=500kB', '--json'])
    expectExit(narrower, 0)
    expect(narrower.json().policy.maxFileBytes).toBe(500_000)
    for (const args of [
      ['domains', 'set', 'managed', 'maxFileBytes=2MB'],
      ['domains', 'suspend', 'managed'],
      ['domains', 'list'],
      ['domains', 'show', 'changed'],
    ]) {
      expectExit(await withKey(manager, args), 1)
    }
  })
})

describe('keys', () => {
  it('are listed without their secrets, and revoked', async () => {
    await makeDomain('keyed')
    const key = await makeKey('keyed', 'read')
    const other = await makeKey('keyed', 'upload,read')
    const listed = await asAdministrator('keys', 'list', '--domain', 'keyed', '--json')
    expectExit(listed, 0)
    expect(listed.json()).toMatchObject({
      keys: [{ scopes: ['read'] }, { scopes: ['upload', 'read'] }],
      nextCursor: null,
    })
    expect(listed.stdout.toString()).not.toContain(key)
    const table = await asAdministrator('keys', 'list', '--domain', 'keyed')
    expect(table.stdout.toString()).toMatch(/^[\w-]{36} .*upload,read .*never/m)

    expectExit(await asAdministrator('keys', 'revoke', listed.json().keys[1].id, '--domain', 'keyed'), 0)
    expectExit(await withKey(other, ['upload', note]), 1)
    const left = await asAdministrator('keys', 'list', '--domain', 'keyed', '--json')
    expect(left.json().keys).toHaveLength(1)
  })
})

describe('hostnames', () => {
  it('wait for their record, are confirmed, and removed', async () => {
    await makeDomain('hosted')
    const manager = await makeKey('hosted', 'manage')
    const added = await withKey(manager, ['hostnames', 'add', 'Bücher.example', '--domain', 'hosted'])
    expectExit(added, 0)
    const hostname = 'xn--bcher-kva.example'
    expect(added.stdout.toString()).toContain(`${hostname} is not served yet. Add this TXT record`)
    expect(added.stdout.toString()).toContain(`stevedore hostnames verify ${hostname}`)

    const confirmed = await asAdministrator('hostnames', 'verify', hostname, '--domain', 'hosted', '--json')
    expectExit(confirmed, 0)
    expect(confirmed.json()).toMatchObject({ hostname, status: 'active' })
    const removed = await withKey(manager, ['hostnames', 'remove', 'bücher.example', '--domain', 'hosted'])
    expectExit(removed, 0)
    expectExit(await withKey(manager, ['hostnames', 'remove', hostname, '--domain', 'hosted']), 1)
  })
})

describe('usage', () => {
  it('tells what a domain holds, against its quota', async () => {
    await makeDomain('used', 'quotaBytes=1MB')
    const key = await makeKey('used', 'upload,read,manage')
    await uploadNote(key)
    const usage = await withKey(key, ['usage', '--domain', 'used', '--json'])
    expectExit(usage, 0)
    expect(usage.json()).toEqual({
      files: 1,
      bytes: 7,
      uploadsThisMonth: 1,
      quotaFiles: null,
      quotaBytes: 1_000_000,
    })
    const text = await asAdministrator('usage', '--domain', 'used')
    expect(text.stdout.toString()).toMatch(/^Bytes +7 B of 1\.0 MB$/m)
  })
})

describe('a hostname in STEVEDORE_DOMAIN', () => {
  it.each([
    [['usage']],
    [['keys', 'list']],
    [['keys', 'create', '--scopes', 'read']],
    [['hostnames', 'add', 'more.example']],
  ])('is no slug to %j, which says so and asks nobody', async (args) => {
    const refused = await withKey(adminToken, args, { env: { STEVEDORE_DOMAIN: 'files.acme.example' } })
    expectExit(refused, 2)
    expect(refused.stderr).toContain('"files.acme.example" is a hostname')
    expect(refused.stderr).toContain('--domain SLUG')
  })
})

describe('tokens and links', () => {
  it('let a client without a key upload what they allow, and follow it', async () => {
    await makeDomain('tokens')
    const key = await makeKey('tokens', 'upload')
    const limits = ['--expires', '5m', '--types', 'text/plain', '--max-file-bytes', '1kB', '--uses', '1']
    const made = await withKey(key, ['tokens', 'create', ...limits, '--metadata', 'invoice=4711'])
    expectExit(made, 0)
    const token = made.stdout.toString().trim()
    expect(token).toMatch(/^stvt_\S+$/)

    const pdf = join(folder, 'a.pdf')
    await writeFile(pdf, '%PDF-1.7\n')
    expectExit(await withKey(token, ['upload', pdf]), 1)
    const sent = await withKey(token, ['upload', note, '--wait', '--json'])
    expectExit(sent, 0)
    expect(sent.json().results[0].upload).toMatchObject({ status: 'complete', metadata: { invoice: '4711' } })
    expectExit(await withKey(token, ['upload', note]), 1)
  })

  it('give the content to everybody who has the link', async () => {
    await makeDomain('links')
    const key = await makeKey('links', 'upload,read')
    const id = await uploadNote(key)
    const made = await withKey(key, ['link', id, '--expires', '1h', '--filename', 'for you.txt'])
    expectExit(made, 0)
    const { pathname, search } = new URL(made.stdout.toString().trim())
    const answer = await worker.call('GET', pathname + search)
    expect(answer.status).toBe(200)
    expect(answer.body.toString()).toBe('a note\n')
    expect(answer.headers['content-disposition']).toContain('for you.txt')
  })
})
