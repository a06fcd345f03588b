import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findFreePort } from '../../scripts/ports.ts'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { buildCommand, expectExit, type Run, startStevedore, stevedore } from '../support/e2e/command-line.ts'
import { holdings, makeDomain, nothingHeld, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { adminToken, type LocalWorker, repository, startLocalWorker } from '../support/e2e/local-worker.ts'
import { type Meddling, type MeddlingProxy, startMeddlingProxy } from '../support/e2e/meddling-proxy.ts'
import { run } from '../support/e2e/programs.ts'

const mebibyte = 1024 * 1024

let worker: LocalWorker
let domain: TestDomain
let folder: string

beforeAll(async () => {
  await buildCommand()
  worker = await startLocalWorker()
  domain = await makeDomain(worker)
  folder = await mkdtemp(join(tmpdir(), 'stevedore-cli-'))
})

afterAll(async () => {
  await worker?.stop()
  if (folder) await rm(folder, { recursive: true, force: true })
})

const urlOf = ({ port }: LocalWorker) => `http://localhost:${port}`

/** The environment of an operator who works in one domain as the administrator. */
const operator = (): Record<string, string> => ({
  STEVEDORE_URL: urlOf(worker),
  STEVEDORE_KEY: adminToken,
  STEVEDORE_DOMAIN: domain.slug,
})

const asOperator = (args: string[], { env, ...options }: Run = {}) =>
  stevedore(args, { ...options, env: { ...operator(), ...env } })

/** A new empty folder. */
const newFolder = () => mkdtemp(join(folder, 'work-'))

/** A file of these bytes, in a folder of its own. */
async function fileOf(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(await newFolder(), name)
  await writeFile(path, bytes)
  return path
}

/** Uploads a file, waits until it is processed, and gives the upload. */
async function uploaded(path: string) {
  const ended = await asOperator(['upload', path, '--wait', '--json'])
  expectExit(ended, 0)
  return ended.json().results[0].upload
}

/** Runs `work` with a proxy before the worker. */
async function through<T>(meddling: Meddling, work: (proxy: MeddlingProxy) => Promise<T>): Promise<T> {
  const proxy = await startMeddlingProxy(worker.port, meddling)
  try {
    return await work(proxy)
  } finally {
    await proxy.close()
  }
}

describe('files', () => {
  it.each([
    ['nothing.bin', 0],
    ['one byte', 1],
    ['Ärger & Söhne – 100 % “fertig” 🚢.txt', 1000],
    ['thirty megabytes.bin', 30 * mebibyte],
  ])('"%s" of %i bytes goes up and comes down as it was', async (name, size) => {
    const bytes = noise(size, 7)
    const upload = await uploaded(await fileOf(name, bytes))
    expect(upload).toMatchObject({ filename: name, size, sha256: sha256(bytes), status: 'complete' })

    const target = await newFolder()
    const down = await asOperator(['download', upload.id, '--json'], { cwd: target })
    expectExit(down, 0)
    expect(down.json()).toMatchObject({ path: name, upload: { id: upload.id } })
    expect(await readdir(target)).toEqual([name])
    expect((await readFile(join(target, name))).equals(bytes)).toBe(true)
  })

  it('each have a request of their own: one that is refused does not hold back the others', async () => {
    const strict = await makeDomain(worker, { allowedTypes: ['image/*', 'text/plain'], deniedTypes: ['image/gif'] })
    const files = [
      await fileOf('a.txt', 'first\n'),
      await fileOf('b.gif', Buffer.from('GIF89a\x01\x00\x01\x00\x00\x00\x00;', 'latin1')),
      await fileOf('c.txt', 'third\n'),
    ]
    const ended = await asOperator(['upload', ...files, '--json'], { env: { STEVEDORE_DOMAIN: strict.slug } })
    expectExit(ended, 1)
    expect(ended.json().results).toMatchObject([
      { file: files[0], upload: { filename: 'a.txt', type: 'text/plain' } },
      { file: files[1], error: { kind: 'refused', code: 'type-not-allowed', status: 415 } },
      { file: files[2], upload: { filename: 'c.txt' } },
    ])
    expect(ended.stderr).toContain('b.gif: Files of this type are not taken.')
    expect(await holdings(worker, strict)).toMatchObject({ storedFiles: 2 })
  })

  it('keep their metadata, a name and a type that were given', async () => {
    const path = await fileOf('x', 'a,b\n1,2\n')
    const words = ['--metadata', 'invoice=47=11', '--metadata', 'kunde=Grüße 🌍']
    const ended = await asOperator(['upload', path, ...words, '--name', 'table.csv', '--type', 'text/csv', '--json'])
    expectExit(ended, 0)
    const { upload } = ended.json().results[0]
    expect(upload).toMatchObject({ filename: 'table.csv', type: 'text/csv' })
    expect(upload.metadata).toEqual({ invoice: '47=11', kunde: 'Grüße 🌍' })
  })

  it('come from standard input with a name', async () => {
    const ended = await asOperator(['upload', '-', '--name', 'piped.txt', '--wait', '--json'], {
      input: 'from a pipe\n',
    })
    expectExit(ended, 0)
    const { upload } = ended.json().results[0]
    expect(upload).toMatchObject({ filename: 'piped.txt', size: 12, sha256: sha256(Buffer.from('from a pipe\n')) })
    const down = await asOperator(['download', upload.id, '-o', '-'])
    expectExit(down, 0)
    expect(down.stdout.toString()).toBe('from a pipe\n')
    expectExit(await asOperator(['upload', '-'], { input: 'x' }), 2)
  })

  it('are stored once under one idempotency key', async () => {
    const path = await fileOf('once.txt', 'once\n')
    const words = ['upload', path, '--idempotency-key', 'cli-once', '--json']
    const [first, second] = [await asOperator(words), await asOperator(words)]
    expectExit(first, 0)
    expectExit(second, 0)
    expect(second.json().results[0].upload.id).toBe(first.json().results[0].upload.id)
    expectExit(await asOperator([...words, path]), 2)
  })

  it('that can’t be sent are found before anything is', async () => {
    const empty = await makeDomain(worker)
    const good = await fileOf('good.txt', 'good\n')
    const env = { STEVEDORE_DOMAIN: empty.slug }
    const aFolder = await asOperator(['upload', good, await newFolder()], { env })
    expectExit(aFolder, 2)
    expect(aFolder.stderr).toContain('is a directory. Name the files in it')
    const missing = await asOperator(['upload', good, '/nowhere/at all.txt'], { env })
    expectExit(missing, 2)
    expect(missing.stderr).toContain('"/nowhere/at all.txt" can\'t be read: there is no such file.')
    expect(await holdings(worker, empty)).toEqual(nothingHeld)
  })

  it('are listed, looked at and deleted', async () => {
    const shelf = await makeDomain(worker)
    const env = { STEVEDORE_DOMAIN: shelf.slug }
    const files = await Promise.all(['1.txt', '2.txt', '3.txt'].map((name) => fileOf(name, name)))
    const sent = await asOperator(['upload', ...files, '--wait', '--json'], { env })
    expectExit(sent, 0)
    const ids: string[] = sent.json().results.map((result: { upload: { id: string } }) => result.upload.id)

    const page = await asOperator(['list', '--limit', '2', '--json'], { env })
    expect(page.json()).toMatchObject({ uploads: [{ id: ids[2] }, { id: ids[1] }], nextCursor: expect.any(String) })
    const all = await asOperator(['list', '--limit', '1', '--all', '--json'], { env })
    expect(all.json().uploads.map((upload: { id: string }) => upload.id)).toEqual(ids.toReversed())
    expect(all.json().nextCursor).toBeNull()
    const none = await asOperator(['list', '--status', 'failed', '--type', 'text/*', '--after', '1h', '--json'], {
      env,
    })
    expect(none.json()).toEqual({ uploads: [], nextCursor: null })
    const table = await asOperator(['list', '--limit', '2'], { env })
    expect(table.stdout.toString()).toMatch(new RegExp(`${ids[2]}  complete  text/plain  5 B .* 3\\.txt\n`))
    expect(table.stderr).toContain('There are more: add --all')

    const status = await asOperator(['status', ...ids, '--wait'], { env })
    expectExit(status, 0)
    expect(status.stdout.toString()).toBe(ids.map((id) => `${id}  complete  1 of 1 steps\n`).join(''))

    const gone = await asOperator(['delete', ids[0]!, 'no-such-id', ids[1]!, '--json'], { env })
    expectExit(gone, 1)
    expect(gone.json().results).toMatchObject([
      { id: ids[0], deleted: true },
      { id: 'no-such-id', error: { kind: 'refused', code: 'upload-not-found' } },
      { id: ids[1], deleted: true },
    ])
    const after = await asOperator(['status', ids[0]!], { env })
    expectExit(after, 1)
    expect(after.stderr).toContain('code upload-deleted, request ')
  })

  it('whose processing fails make a waiting command fail', async () => {
    const path = await fileOf('broken.txt', 'text\n')
    const sent = await asOperator(['upload', path, '--json'])
    const { id } = sent.json().results[0].upload
    await eventually(async () =>
      expect((await asOperator(['status', id, '--json'])).json().results[0].status).toBe('complete'),
    )
    await worker.env.DB.prepare(`UPDATE uploaded_files SET status = 'failed', failure_code = 'x' WHERE id = ?`)
      .bind(id)
      .run()
    expectExit(await asOperator(['status', id]), 0)
    expectExit(await asOperator(['status', id, '--wait']), 1)
  })
})

describe('downloads', () => {
  it('replace nothing unless they are told to', async () => {
    const upload = await uploaded(await fileOf('new.txt', 'new\n'))
    const target = await newFolder()
    const path = join(target, 'new.txt')
    await writeFile(path, 'old\n')
    const refused = await asOperator(['download', upload.id, '-o', target])
    expectExit(refused, 2)
    expect(refused.stderr).toContain('is there already')
    expect(await readFile(path, 'utf8')).toBe('old\n')
    expectExit(await asOperator(['download', upload.id, '-o', target, '--force']), 0)
    expect(await readFile(path, 'utf8')).toBe('new\n')
    expect(await readdir(target)).toEqual(['new.txt'])
  })

  it('leave no file when they are refused', async () => {
    const target = await newFolder()
    expectExit(await asOperator(['download', 'no-such-id'], { cwd: target }), 1)
    expect(await readdir(target)).toEqual([])
  })

  it('go on where a connection was cut, in the next run and in the same', async () => {
    const bytes = noise(3 * mebibyte, 3)
    const upload = await uploaded(await fileOf('long.bin', bytes))
    const target = await newFolder()
    let cuts = 1
    const meddling: Meddling = {
      toClient(chunk, passage) {
        if (passage.request.includes('/content') && passage.bytesToClient > mebibyte && cuts > 0) {
          cuts--
          passage.cut()
        }
        return chunk
      },
    }
    await through(meddling, async ({ url, requests }) => {
      const env = { STEVEDORE_URL: url }
      const cut = await asOperator(['download', upload.id, '--retries', '0'], { env, cwd: target })
      expectExit(cut, 3)
      expect(cut.stderr).toContain('the same command goes on from there')
      expect(await readdir(target)).toEqual([`.stevedore-${upload.id}.part`])

      cuts = 1
      requests.length = 0
      const whole = await asOperator(['download', upload.id], { env, cwd: target })
      expectExit(whole, 0)
      const ranges = requests.filter((request) => request.includes('/content'))
      expect(ranges).toHaveLength(2)
      for (const request of ranges) {
        expect(request).toMatch(/^range: bytes=[1-9]\d*-\r$/im)
        expect(request.toLowerCase()).toContain(`\r\nif-range: "${upload.sha256}"\r\n`)
      }
    })
    expect(await readdir(target)).toEqual(['long.bin'])
    expect((await readFile(join(target, 'long.bin'))).equals(bytes)).toBe(true)
  })

  it('keep nothing of bytes that differ from their digest', async () => {
    const upload = await uploaded(await fileOf('fragile.bin', noise(mebibyte, 5)))
    const target = await newFolder()
    const meddling: Meddling = {
      toClient(chunk, { request, bytesToClient }) {
        const changed = Buffer.from(chunk)
        const last = changed.length - 1
        if (request.includes('/content') && bytesToClient > 100_000) changed[last]! ^= 1
        return changed
      },
    }
    await through(meddling, async ({ url }) => {
      const ended = await asOperator(['download', upload.id, '--json'], { env: { STEVEDORE_URL: url }, cwd: target })
      expectExit(ended, 1)
      expect(ended.json().error).toMatchObject({ kind: 'bad-outcome' })
      expect(ended.stderr).toContain(`not ${upload.sha256}`)
      expect(await readdir(target)).toEqual([])
      // To a pipe the bytes are gone already; the exit code tells.
      expectExit(await asOperator(['download', upload.id, '-o', '-'], { env: { STEVEDORE_URL: url } }), 1)
    })
  })

  it('that are stopped by Ctrl-C leave no half file under its name', async () => {
    const bytes = noise(3 * mebibyte, 4)
    const upload = await uploaded(await fileOf('stopped.bin', bytes))
    const target = await newFolder()
    let running: ReturnType<typeof startStevedore> | undefined
    const stopHalfway: Meddling = {
      toClient(chunk, { request, bytesToClient }) {
        if (!request.includes('/content') || bytesToClient < mebibyte) return chunk
        // Once: a second signal would end it on the spot.
        running?.kill('SIGINT')
        running = undefined
        return Buffer.alloc(0)
      },
    }
    await through(stopHalfway, async ({ url }) => {
      const env = { ...operator(), STEVEDORE_URL: url }
      running = startStevedore(['download', upload.id], { env, cwd: target })
      const ended = await running.ended
      expectExit(ended, 130)
      expect(ended.stderr).toContain('Stopped: SIGINT.')
      expect(await readdir(target)).toEqual([`.stevedore-${upload.id}.part`])
    })
    expectExit(await asOperator(['download', upload.id], { cwd: target }), 0)
    expect((await readFile(join(target, 'stopped.bin'))).equals(bytes)).toBe(true)
  })
})

describe('trouble', () => {
  it('with the credential is told in sentences, with the code and the request id', async () => {
    const closed = await makeDomain(worker, { anonymousUpload: false })
    const path = await fileOf('a.txt', 'a')
    const env = { STEVEDORE_DOMAIN: closed.slug, STEVEDORE_KEY: 'stv_wrong' }
    const ended = await asOperator(['upload', path], { env })
    expectExit(ended, 1)
    expect(ended.stderr).toMatch(
      /^Error: The credential is not known\. This credential is not known here\. .*\n {2}\(code credential-invalid, request [\w-]+\)\n$/,
    )
    expect(ended.stdout.toString()).toBe('')
    const json = await asOperator(['list', '--json'], { env })
    expectExit(json, 1)
    expect(json.json().error).toMatchObject({ kind: 'refused', status: 401, code: 'credential-invalid' })
  })

  it('is named when nobody listens, when the name leads nowhere, and when something else answers', async () => {
    const path = await fileOf('a.txt', 'a')
    const nobody = await asOperator(['upload', path], {
      env: { STEVEDORE_URL: `http://localhost:${await findFreePort()}` },
    })
    expectExit(nobody, 3)
    expect(nobody.stderr).toContain('nothing listens there (ECONNREFUSED)')
    expect(nobody.stderr).not.toContain('Trying again')

    const other = createServer((_, response) => response.end('<h1>Welcome</h1>'))
    await once(other.listen(0, '127.0.0.1'), 'listening')
    const { port } = other.address() as AddressInfo
    const html = await asOperator(['health', '--json'], { env: { STEVEDORE_URL: `http://127.0.0.1:${port}` } })
    other.close()
    expectExit(html, 1)
    expect(html.json().error.detail).toContain('not one of Stevedore')
  })

  it('with a redirect never takes the key elsewhere', async () => {
    const elsewhere: string[] = []
    const target = createServer((request, response) => response.end(elsewhere.push(request.url ?? '')))
    await once(target.listen(0, '127.0.0.1'), 'listening')
    const location = `http://127.0.0.1:${(target.address() as AddressInfo).port}/healthz`
    const redirecting = createServer((_, response) => response.writeHead(308, { location }).end())
    await once(redirecting.listen(0, '127.0.0.1'), 'listening')
    const { port } = redirecting.address() as AddressInfo
    const ended = await asOperator(['health'], { env: { STEVEDORE_URL: `http://127.0.0.1:${port}` } })
    redirecting.close()
    target.close()
    expectExit(ended, 1)
    expect(ended.stderr).toContain(`It redirects to ${location}`)
    expect(elsewhere).toEqual([])
  })

  it('on the way is overcome: a cut connection and a busy server, with the file stored once', async () => {
    const bytes = noise(2 * mebibyte, 9)
    const path = await fileOf('through.bin', bytes)
    const target = await makeDomain(worker)
    const busy =
      'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}'
    const meddling: Meddling = {
      toServer(chunk, passage) {
        if (passage.index === 0 && passage.bytesToServer > mebibyte) passage.cut()
        if (passage.index === 1) passage.answer(busy)
        return chunk
      },
      // The third is stored, and its answer lost: only the key of the request keeps it from being stored again.
      toClient(chunk, passage) {
        if (passage.index === 2) passage.cut()
        return chunk
      },
    }
    await through(meddling, async ({ url, requests }) => {
      const env = { STEVEDORE_URL: url, STEVEDORE_DOMAIN: target.slug }
      const ended = await asOperator(['upload', path, '--json'], { env })
      expectExit(ended, 0)
      expect(ended.json().results[0].upload.sha256).toBe(sha256(bytes))
      expect(ended.stderr.match(/Trying again/g)).toHaveLength(3)
      const keys = requests.map((request) => /^idempotency-key: (.*)\r$/im.exec(request)?.[1])
      expect(new Set(keys).size).toBe(1)
      expect(keys).toHaveLength(4)
    })
    expect(await holdings(worker, target)).toMatchObject({ storedFiles: 1, storedBytes: bytes.length })
  })

  it('is not tried away where a second try could do a thing twice', async () => {
    const cutAnswers: Meddling = {
      toClient(chunk, passage) {
        passage.cut()
        return chunk
      },
    }
    await through(cutAnswers, async ({ url, requests }) => {
      const ended = await asOperator(['domains', 'create', 'made-once'], { env: { STEVEDORE_URL: url } })
      expectExit(ended, 3)
      expect(requests).toHaveLength(1)
    })
  })

  it('with bytes that change on the way is found by the server, and nothing is stored', async () => {
    const target = await makeDomain(worker)
    const path = await fileOf('changed.bin', noise(mebibyte, 2))
    const flip: Meddling = {
      toServer(chunk, { bytesToServer }) {
        const changed = Buffer.from(chunk)
        if (bytesToServer > 100_000) changed[0]! ^= 1
        return changed
      },
    }
    await through(flip, async ({ url }) => {
      const env = { STEVEDORE_URL: url, STEVEDORE_DOMAIN: target.slug }
      const ended = await asOperator(['upload', path, '--json'], { env })
      expectExit(ended, 1)
      expect(ended.json().results[0].error.code).toBe('digest-mismatch')
    })
    expect(await holdings(worker, target)).toEqual(nothingHeld)
  })

  it('stopped by Ctrl-C in the middle of an upload leaves nothing stored', async () => {
    const target = await makeDomain(worker)
    const env = { ...operator(), STEVEDORE_DOMAIN: target.slug }
    const running = startStevedore(['upload', '-', '--name', 'stopped.bin', '--json'], { env })
    running.write(noise(7 * mebibyte))
    await eventually(async () => expect(await holdings(worker, target)).toMatchObject({ openMultiparts: 1 }))
    running.kill('SIGINT')
    const ended = await running.ended
    expectExit(ended, 130)
    expect(ended.json().results).toMatchObject([{ file: '-', error: { kind: 'interrupted' } }])
    await eventually(async () => expect(await holdings(worker, target)).toEqual(nothingHeld))
  })

  it('with a server that dies in the middle of an upload ends with 3', async () => {
    const dying = await startBareWorker()
    try {
      const target = await makeDomain(dying)
      const env = { ...operator(), STEVEDORE_URL: urlOf(dying), STEVEDORE_DOMAIN: target.slug }
      const running = startStevedore(['upload', '-', '--name', 'lost.bin', '--json'], { env })
      running.write(noise(7 * mebibyte))
      await eventually(() => expect(dying.r2.multiparts(`/${target.id}`).map(({ state }) => state)).toEqual(['open']))
      await dying.stop()
      const ended = await running.ended
      expectExit(ended, 3)
      expect(ended.json().results).toMatchObject([{ file: '-', error: { kind: 'unreachable' } }])
    } finally {
      await dying.stop()
    }
  })
})

describe('administration', () => {
  it('makes a domain with a policy in words, and keys that work until they are revoked', async () => {
    const words = ['maxFileBytes=10MB', 'allowedTypes=image/*, text/plain', 'quotaBytes=1.5MiB', 'publicRead=true']
    const made = await asOperator(['domains', 'create', 'acme', ...words, 'retentionDays=null', '--json'])
    expectExit(made, 0)
    expect(made.json()).toMatchObject({
      slug: 'acme',
      policy: {
        maxFileBytes: 10_000_000,
        allowedTypes: ['image/*', 'text/plain'],
        quotaBytes: 1_572_864,
        publicRead: true,
        retentionDays: null,
      },
    })

    const scopes = ['--scopes', 'upload,read', '--label', 'ci', '--expires', '90d']
    const created = await asOperator(['keys', 'create', '--domain', 'acme', ...scopes])
    expectExit(created, 0)
    const key = created.stdout.toString().trim()
    expect(key).toMatch(/^stv_\S+$/)
    const id = /The key (\S+) may upload, read\./.exec(created.stderr)?.[1]

    // The key knows its domain.
    const env = { STEVEDORE_URL: urlOf(worker), STEVEDORE_KEY: key }
    const path = await fileOf('note.txt', 'note\n')
    expectExit(await stevedore(['upload', path, '--wait'], { env }), 0)
    expectExit(await asOperator(['keys', 'revoke', id!, '--domain', 'acme']), 0)
    expectExit(await stevedore(['upload', path], { env }), 1)
  })

  it('takes a policy from a file, and words before it', async () => {
    const policy = await fileOf('policy.json', JSON.stringify({ maxFileBytes: 1, historyDays: 7 }))
    const words = ['maxFileBytes=2kB', 'metadata={"invoice":{"format":"integer"}}']
    const made = await asOperator(['domains', 'create', 'from-file', ...words, '--policy', policy, '--json'])
    expectExit(made, 0)
    expect(made.json().policy).toMatchObject({
      maxFileBytes: 2000,
      historyDays: 7,
      metadata: { invoice: { format: 'integer', required: true } },
    })
  })

  it.each([
    ['a field that is none', 'maxSize=3', 'The policy has no field "maxSize". It has:\n  maxFileBytes '],
    ['a field in other letters', 'max-file-bytes=3', 'Did you mean maxFileBytes?'],
    ['half a byte', 'maxFileBytes=1.0005kB', 'is no whole number of bytes'],
    ['a size for a number', 'quotaFiles=10MB', 'quotaFiles must be a whole number'],
    ['null where there is always a value', 'maxFileBytes=null', "maxFileBytes can't be null"],
    ['a switch that is neither', 'publicRead=yes', 'publicRead must be true or false'],
    ['a word that sets nothing', 'publicRead', '"publicRead" is no name=value'],
    ['broken JSON', 'metadata={', 'metadata must be JSON'],
  ])('refuses %s', async (_, word, sentence) => {
    const ended = await asOperator(['domains', 'create', 'never-made', word])
    expectExit(ended, 2)
    expect(ended.stderr).toContain(sentence)
  })

  it('finds a domain’s own host, which Node can’t look up', async () => {
    const env = { STEVEDORE_URL: `http://${domain.host}:${worker.port}` }
    const ended = await stevedore(['upload', await fileOf('a.txt', 'a'), '--json'], { env })
    expectExit(ended, 0)
    expect(ended.json().results[0].upload.domain).toBe(domain.slug)
  })

  it('asks after the server', async () => {
    const ended = await asOperator(['health', '--json'])
    expectExit(ended, 0)
    expect(ended.json()).toEqual({ url: urlOf(worker), ok: true })
  })
})

describe('the command line', () => {
  it('has a help that tells all there is', async () => {
    const ended = await stevedore(['--help'])
    expectExit(ended, 0)
    expect(ended.stdout.toString()).toMatchInlineSnapshot(`
      "Usage: stevedore [options] [command]

      Uploads and their domains, from the command line.

      Options:
        -V, --version               print the version
        --url <url>                 the server; prefer STEVEDORE_URL
        --key <key>                 the credential; prefer STEVEDORE_KEY, since others
                                    on this machine see options in "ps"
        --domain <domain>           the domain, by slug or hostname; or
                                    STEVEDORE_DOMAIN
        --json                      print one JSON document, also for an error
        --retries <n>               how often to try again what may be tried again
                                    (default: 3)
        -h, --help                  show this help

      Commands:
        upload [options] <file...>  upload files; - is standard input
        status [options] <id...>    show how far uploads are
        list [options]              list the uploads of the domain, newest first
        download [options] <id>     download the content of an upload
        delete <id...>              delete uploads; there is no way back
        link [options] <id>         make a download link that needs no key
        usage                       show what a domain holds, against its quota
        domains                     make, change and remove domains
        keys                        API keys of the domain
        hostnames                   hostnames of the domain’s own
        tokens                      upload tokens for browsers
        health                      ask whether the server is up
        help [command]              show the help of a command

      Environment:
        STEVEDORE_URL     the server; without it, the one of "npm run dev" and its domain "demo"
        STEVEDORE_KEY     the API key, the upload token, or the administrator's token
        STEVEDORE_DOMAIN  the domain that requests are for

      Exit codes:
        0  done
        1  the server refused, a file failed its processing, or bytes differ from their digest
        2  wrong use: the command line, or a file here that can't be read or written
        3  no server was reached, or the connection broke
        130 and the like: stopped by Ctrl-C or another signal

      Examples:
        $ stevedore upload report.pdf photo.jpg --wait
        $ stevedore list --status complete --json
        $ stevedore domains create acme maxFileBytes=10MB 'allowedTypes=image/*,application/pdf'
      "
    `)
    expect((await stevedore(['help'])).stdout).toEqual(ended.stdout)
  })

  it('has examples in the help of every command', async () => {
    const helpOf = async (path: string[]) => (await stevedore([...path, '--help'])).stdout.toString()
    /** The commands that a help lists, but for the help itself. */
    const listed = (help: string) =>
      [...help.slice(help.indexOf('\nCommands:')).matchAll(/^ {2}([a-z]+) .*/gm)]
        .map((match) => match[1] as string)
        .filter((name) => name !== 'help')
    const groups = ['domains', 'keys', 'hostnames', 'tokens']
    const paths = [
      ...listed(await helpOf([])).map((name) => [name]),
      ...(
        await Promise.all(groups.map(async (group) => listed(await helpOf([group])).map((name) => [group, name])))
      ).flat(),
    ]
    expect(paths.length).toBeGreaterThan(20)
    await Promise.all(
      paths.map(async (path) => {
        const help = await helpOf(path)
        expect(help, path.join(' ')).toContain(`  $ `)
        expect(help, path.join(' ')).toContain('STEVEDORE_KEY')
      }),
    )
  })

  it.each([
    ['no command', [], 'Which command?'],
    ['an unknown command', ['uplaod'], 'Did you mean upload?'],
    ['an unknown option', ['upload', '--waitt', 'x'], 'Did you mean --wait?'],
    ['a missing argument', ['status'], "missing required argument 'id'"],
    ['an address that is none', ['health', '--url', 'localhost:8787'], 'is no server address'],
    ['an address with a path', ['health', '--url', 'http://localhost:8787/v1'], 'it must end after the host'],
    ['a count that is none', ['health', '--retries', 'many'], '--retries'],
    ['administration without a domain', ['usage', '--url', 'http://localhost:1'], 'Name it by --domain'],
  ])('ends with 2 for %s', async (_, args, sentence) => {
    const ended = await stevedore(args)
    expectExit(ended, 2)
    expect(ended.stderr).toContain(sentence)
    const json = await stevedore([...args, '--json'])
    expectExit(json, 2)
    expect(json.json().error.kind).toBe('wrong-use')
  })

  it('warns of a key that goes over an open line', async () => {
    const env = { STEVEDORE_URL: 'http://stevedore.invalid', STEVEDORE_KEY: 'stv_secret' }
    const ended = await stevedore(['health'], { env })
    expectExit(ended, 3)
    expect(ended.stderr).toContain('Warning: http://stevedore.invalid is not encrypted')
    expect(ended.stderr).not.toContain('stv_secret')
  })

  it('is whole in the package, and works there beside its dependencies', async () => {
    const place = await newFolder()
    await mkdir(join(place, 'node_modules'))
    await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', place])
    const [tarball] = await readdir(place).then((names) => names.filter((name) => name.endsWith('.tgz')))
    await run('tar', ['xzf', join(place, tarball as string), '-C', place])
    const { dependencies, bin } = JSON.parse(await readFile(join(place, 'package/package.json'), 'utf8'))
    for (const name of [
      'commander',
      'cli-progress',
      'string-width',
      'emoji-regex',
      'is-fullwidth-code-point',
      'strip-ansi',
      'ansi-regex',
    ]) {
      await symlink(join(repository, 'node_modules', name), join(place, 'node_modules', name))
    }
    expect(dependencies).toMatchObject({ commander: expect.any(String), 'cli-progress': expect.any(String) })
    const version = await run(process.execPath, [join(place, 'package', bin.stevedore), '--version'])
    expect(version.toString()).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})
