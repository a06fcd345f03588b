import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Project, projectWithPackage } from '../support/client/project.ts'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { chromiumMissing, openChromium } from '../support/e2e/chromium.ts'
import { expectStatus, makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { adminToken, type LocalWorker, repository } from '../support/e2e/local-worker.ts'
import { run } from '../support/e2e/programs.ts'

let project: Project

beforeAll(async () => {
  project = await projectWithPackage()
  await project.copy('test/support/client/use.ts', 'use.ts')
})
afterAll(() => project?.remove())

const tsc = (...args: string[]) =>
  run(process.execPath, [join(repository, 'node_modules/typescript/bin/tsc'), ...args]).then(String)

const strict = { strict: true, noEmit: true, skipLibCheck: false, target: 'es2022', exactOptionalPropertyTypes: true }

test.each([
  ['a page', { lib: ['es2022', 'dom', 'dom.iterable', 'dom.asynciterable'], types: [] }, 'bundler'],
  ['Node', { lib: ['es2023'], types: ['node'] }, 'nodenext'],
  ['a Worker', { lib: ['esnext'], types: ['./runtime.d.ts'] }, 'bundler'],
])('its types are whole, and right, in a project for %s', async (name, options, resolution) => {
  if (name === 'Node') await project.install('@types/node')
  if (name === 'a Worker') {
    const generated = await readFile(join(repository, 'worker-configuration.d.ts'), 'utf8')
    await project.write('runtime.d.ts', generated.slice(generated.indexOf('// Begin runtime types')))
  }
  const module = resolution === 'nodenext' ? 'nodenext' : 'esnext'
  const compilerOptions = { ...strict, ...options, module, moduleResolution: resolution }
  const config = await project.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['use.ts'] }))
  expect(await tsc('-p', config)).toBe('')
})

test('the client is small, and what large files need is a module of its own', async () => {
  const entry = await project.write('page.js', `export { StevedoreClient, verifyWebhook } from 'stevedore/client'`)
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    outdir: join(project.folder, 'out'),
    write: false,
    metafile: true,
  })
  const inputs = (name: string) =>
    Object.entries(metafile.outputs).filter(([, { inputs }]) => Object.keys(inputs).some((path) => path.includes(name)))
  const [first] = inputs('page.js')
  const atOnce = new Set([first![0]])
  for (const path of atOnce) {
    for (const { path: imported, kind } of metafile.outputs[path]!.imports) {
      if (kind === 'import-statement') atOnce.add(imported)
    }
  }
  const loaded = outputFiles.filter(({ path }) =>
    [...atOnce].some((name) => path.endsWith(name.replace(/^.*\/out\//, ''))),
  )
  expect(loaded.length).toBe(atOnce.size)
  const gzipped = gzipSync(Buffer.concat(loaded.map(({ contents }) => contents)), { level: 9 }).length
  expect(gzipped).toBeLessThan(12 * 1024)
  expect(inputs('tus-js-client').map(([path]) => atOnce.has(path))).toEqual([false])
})

test('it holds the client in both forms, and nothing but what is built', async () => {
  const files = (await readdir(project.packageFolder, { recursive: true })).map(String)
  expect(files).toEqual(expect.arrayContaining(['dist/client/index.d.ts', 'dist/client/browser/index.js', 'LICENSE']))
  expect(files.filter((path) => /^(src(?!\/multipart)|test|client)\b/.test(path))).toEqual(['src'])
  const ready = await readFile(join(project.packageFolder, 'dist/client/browser/index.js'), 'utf8')
  expect(ready.match(/from\s*"(?!\.)/g)).toBeNull()
})

describe('from a project that has installed it', () => {
  let worker: LocalWorker
  let domain: TestDomain
  let env: Record<string, string>

  beforeAll(async () => {
    worker = await startBareWorker()
    await project.copy('examples')
    await project.copy('samples')
    await project.install('hono')
    await project.install('@hono/node-server')
  })
  afterAll(() => worker?.stop())

  beforeEach(async () => {
    domain = await makeDomain(worker, { anonymousUpload: false, publicRead: false })
    env = {
      STEVEDORE_URL: `http://127.0.0.1:${worker.port}`,
      STEVEDORE_KEY: adminToken,
      STEVEDORE_DOMAIN: domain.slug,
    }
  })

  test('the examples have no wrong types', async () => {
    const options = { ...strict, exactOptionalPropertyTypes: false, skipLibCheck: true, allowJs: true, checkJs: true }
    const compilerOptions = { ...options, module: 'nodenext', lib: ['es2023'], types: ['node'], noImplicitAny: false }
    await project.install('@types/node')
    const include = ['examples/*/*.js']
    expect(await tsc('-p', await project.write('tsconfig.json', JSON.stringify({ compilerOptions, include })))).toBe('')
  })

  test('examples/node-script uploads files, and says why one is refused', async () => {
    const args = ['examples/node-script/upload.js', 'samples/harbour.png', 'samples/crossing.mp4']
    const { code, stdout, stderr } = await project.run(args, env)
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(
      /^samples\/harbour.png: [\w-]{36} image\/png complete\nsamples\/crossing.mp4: [\w-]{36} video\/mp4 comp/,
    )
    expect(stderr).toContain('samples/harbour.png: 599629 of 599629 bytes')
    const refused = await project.run(args, { ...env, STEVEDORE_KEY: 'stv_unknown' })
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('refused, credential-invalid: ')])
  })

  test('examples/hono-app makes upload tokens, and believes the webhooks of the server alone', async () => {
    const app = await project.start('examples/hono-app/app.js', env)
    try {
      const token = (await (await fetch(`${app.url}/upload-token`, { method: 'POST' })).json()) as { token: string }
      const sent = await worker.call('PUT', '/v1/uploads/note.txt', {
        headers: { authorization: `Bearer ${token.token}` },
        body: 'abc',
      })
      expectStatus(sent, 202)
      await eventually(async () => {
        const files = await (await fetch(`${app.url}/files`)).json()
        expect(files).toEqual({ [sent.json().id]: { number: 3, type: 'upload.complete', filename: 'note.txt' } })
      })
      expect(app.output()).toContain('upload.complete note.txt, of anna')
      const forged = await fetch(`${app.url}/hooks`, {
        method: 'POST',
        headers: {
          'webhook-id': 'a',
          'webhook-timestamp': `${Math.floor(Date.now() / 1000)}`,
          'webhook-signature': 'v1,AA==',
        },
        body: '{}',
      })
      expect([forged.status, await forged.text()]).toEqual([401, expect.stringContaining('No signature')])
    } finally {
      await app.stop()
    }
  })

  test.skipIf(chromiumMissing)('examples/html-page uploads small and large files from Chromium', async () => {
    const app = await project.start('examples/html-page/serve.js', env)
    const { page, close } = await openChromium('about:blank')
    try {
      const complaints: string[] = []
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(`${message.text()} ${message.location().url}`)
      })
      await page.goto(app.url)
      const large = await project.write('large.txt', 'a'.repeat(11 * 1024 * 1024))
      for (const path of [join(repository, 'samples/harbour.png'), large]) {
        await page.setInputFiles('input', path)
        await page
          .getByRole('status')
          .getByText(`${basename(path)}: upload.complete`)
          .waitFor()
      }
      expect(complaints).toEqual([])
      await worker.call('PATCH', `/v1/domains/${domain.slug}`, {
        headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ policy: { maxFileBytes: 5 } }),
      })
      await page.setInputFiles('input', large)
      await page.getByRole('status').getByText('Refused: ').waitFor()
    } finally {
      await close()
      await app.stop()
    }
  })

  test('the recipes of examples/curl', async () => {
    const recipe = async (name: string, ...args: string[]) => {
      const { code, stdout, stderr } = await project.run([`examples/curl/${name}.sh`, ...args], env, 'sh')
      expect(code, stdout + stderr).toBe(0)
      return stdout
    }
    const picture = join(repository, 'samples/harbour.png')
    const id = (await recipe('upload', picture)).trim()
    await eventually(async () => expect(JSON.parse(await recipe('wait', id))).toMatchObject({ id, status: 'complete' }))
    expect(await recipe('follow', id)).toContain('"type":"upload.complete"')
    expect((await recipe('download', id)).length).toBeGreaterThan(1000)
    expect(JSON.parse(await recipe('list')).uploads).toMatchObject([{ id, metadata: { from: 'curl' } }])
    expect(JSON.parse(await recipe('upload-with-token', picture)).results).toMatchObject([{ upload: { size: 599629 } }])
    const resumed = new URL((await recipe('resume', picture)).trim()).pathname.split('/').at(-1) as string
    const { sha256, filename } = await worker
      .call('GET', `/v1/uploads/${resumed}?domain=${domain.slug}`, {
        headers: { authorization: `Bearer ${adminToken}` },
      })
      .then((answer) => answer.json())
    const sent = createHash('sha256')
      .update(await readFile(picture))
      .digest('hex')
    expect([sha256, filename]).toEqual([sent, 'harbour.png'])
    for (const name of ['upload', 'upload-with-token']) {
      const wrongKey = { ...env, STEVEDORE_KEY: 'stv_unknown' }
      const refused = await project.run([`examples/curl/${name}.sh`, picture], wrongKey, 'sh')
      expect([refused.code, refused.stdout, refused.stderr]).toEqual([
        1,
        '',
        expect.stringContaining('"code":"credential-invalid"'),
      ])
    }
    await recipe('delete', id)
    const gone = await project.run([`examples/curl/wait.sh`, id], env, 'sh')
    expect([gone.code, gone.stdout]).toEqual([22, expect.stringContaining('upload-deleted')])
  })

  test('docs/client.md shows what happens', async () => {
    const text = await readFile(join(repository, 'docs/client.md'), 'utf8')
    const blocks = (language: string) =>
      [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(([, block = '']) => block)
    const isExcerpt = (block: string) => block.startsWith('// examples/')
    const excerpts = blocks('js').filter(isExcerpt)
    for (const excerpt of excerpts) {
      const [first = '', ...lines] = excerpt.trimEnd().split('\n')
      const file = await readFile(join(repository, first.slice('// '.length)), 'utf8')
      expect(withoutIndent(file)).toContain(withoutIndent(lines.join('\n')))
    }
    expect(excerpts).toHaveLength(2)
    const program = blocks('js').filter((block) => !isExcerpt(block))
    expect(program).toHaveLength(4)
    const address = `url: 'https://acme.uploads.example.com',`
    expect(program[0]).toContain(address)
    const source = program.join('').replace(address, `url: process.env.STEVEDORE_URL, domain: '${domain.slug}',`)
    await project.write('page.js', source)
    const { code, stdout, stderr } = await project.run(['page.js'], env)
    expect(code, stderr).toBe(0)
    expect(stdout).toBe(blocks('text').join(''))
  })
})

function withoutIndent(text: string): string {
  return text.replaceAll(/^ +/gm, '')
}
