import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

/** What each part of `src` may import of ours. The lint rules in biome.json must say the same, no more and no less. */
const mayImport: Record<string, string[]> = {
  core: [],
  multipart: [],
  db: ['core'],
  storage: ['core'],
  queue: ['core'],
  limits: ['core'],
  metrics: ['core'],
  dns: ['core'],
  outbound: ['core'],
  images: ['core'],
  clamav: ['core'],
  live: ['core', 'db'],
  ingest: ['core', 'multipart', 'storage'],
  processing: ['core', 'storage'],
  services: ['core', 'db', 'storage', 'ingest', 'multipart', 'processing'],
  resumable: ['core', 'db', 'storage', 'ingest', 'multipart', 'services'],
  middleware: ['core', 'services', 'ingest', 'context.ts', 'deps.ts', 'env.ts', 'problem.ts'],
  routes: ['core', 'services', 'middleware', 'resumable', 'ingest', 'multipart', 'context.ts', 'deps.ts', 'problem.ts'],
}

const folders = Object.keys(mayImport)
const entryFiles = [
  'app.ts',
  'build-queue.ts',
  'context.ts',
  'deps.ts',
  'env.ts',
  'index.ts',
  'journal.ts',
  'log.ts',
  'problem.ts',
  'worker.ts',
]
const notEntry = (...files: string[]) => entryFiles.filter((file) => !files.includes(file))
const notFolder = (...names: string[]) => folders.filter((folder) => !names.includes(folder))

/** What only deps builds. */
const adapters = ['db', 'storage', 'queue', 'limits', 'metrics', 'dns', 'outbound', 'images', 'clamav', 'live']

const mayImportAtTop: Record<string, string[]> = {
  'env.ts': ['core'],
  'journal.ts': ['core'],
  'log.ts': ['core'],
  'problem.ts': ['core'],
  'build-queue.ts': ['core', 'queue', 'services', 'env.ts'],
  'deps.ts': [...notFolder('routes', 'middleware'), ...notEntry('deps.ts', 'app.ts', 'index.ts', 'worker.ts')],
  'app.ts': [...notFolder(...adapters), ...notEntry('app.ts', 'build-queue.ts')],
  'context.ts': [...notFolder(...adapters), ...notEntry('context.ts', 'build-queue.ts')],
  'index.ts': [...notFolder(...adapters), ...notEntry('index.ts', 'build-queue.ts')],
  'worker.ts': [...notFolder(...adapters), ...notEntry('worker.ts', 'build-queue.ts')],
}

const workspace = mkdtempSync(join(tmpdir(), 'stevedore-layers-'))
afterAll(() => rmSync(workspace, { recursive: true, force: true }))

/** A source file of one import a line, each beside whether it is allowed. */
type Example = { file: string; lines: { source: string; allowed: boolean }[] }

const importOf = (specifier: string) => `import type { Thing } from '${specifier}'`
const within = (target: string) => (target.endsWith('.ts') ? target : `${target}/thing.ts`)

/** Every pair of parts, from a file straight in a layer's folder and from one in a folder of its own there. */
function everyPair(): Example[] {
  const inLayers = folders.flatMap((layer) =>
    [
      { file: `src/${layer}/example.ts`, up: '../' },
      { file: `src/${layer}/part/example.ts`, up: '../../' },
    ].map(({ file, up }) => ({
      file,
      lines: [...folders, ...entryFiles]
        .filter((target) => target !== layer)
        .map((target) => ({ source: importOf(up + within(target)), allowed: mayImport[layer]!.includes(target) })),
    })),
  )
  const atTop = Object.entries(mayImportAtTop).map(([name, allowed]) => ({
    file: `src/${name}`,
    lines: [...folders, ...entryFiles]
      .filter((target) => target !== name)
      .map((target) => ({ source: importOf(`./${within(target)}`), allowed: allowed.includes(target) })),
  }))
  return [...inLayers, ...atTop]
}

const allowed = (source: string) => ({ source, allowed: true })
const refused = (source: string) => ({ source, allowed: false })

const itself: Example[] = folders.flatMap((layer) => [
  { file: `src/${layer}/itself.ts`, lines: [allowed(importOf('./thing.ts')), allowed(importOf('./part/thing.ts'))] },
  { file: `src/${layer}/part/itself.ts`, lines: [allowed(importOf('../thing.ts')), allowed(importOf('./thing.ts'))] },
])

const packages: Example[] = [...folders, ...entryFiles].flatMap((place) => {
  const mayUse = (places: string[], name: string) => ({ source: importOf(name), allowed: places.includes(place) })
  const http = ['middleware', 'routes', ...entryFiles]
  const sql = ['db', 'deps.ts']
  const lines = [
    allowed(importOf('zod')),
    mayUse(http, 'hono'),
    mayUse(http, 'hono/http-exception'),
    // Signing is no business of HTTP's; the package only lives there.
    mayUse([...http, 'services'], 'hono/jwt'),
    mayUse(http, '@hono/zod-openapi'),
    mayUse(sql, 'drizzle-orm'),
    mayUse(sql, 'drizzle-orm/d1'),
    { source: importOf('cloudflare:workers'), allowed: place !== 'core' && place !== 'multipart' },
  ]
  const files = place.endsWith('.ts') ? [`src/${place}`] : [`src/${place}/example.ts`, `src/${place}/part/example.ts`]
  return files.map((file) => ({ file, lines }))
})

const typesOnly: Example[] = ['middleware', 'routes'].flatMap((layer) =>
  [
    { file: `src/${layer}/types-only.ts`, deps: '../deps.ts' },
    { file: `src/${layer}/part/types-only.ts`, deps: '../../deps.ts' },
  ].map(({ file, deps }) => ({
    file,
    lines: [
      allowed(`import type { Deps } from '${deps}'`),
      refused(`import { createDeps } from '${deps}'`),
      refused(`import deps from '${deps}'`),
      refused(`import * as deps from '${deps}'`),
      refused(`import '${deps}'`),
    ],
  })),
)

const otherForms: Example[] = [
  {
    file: 'src/core/forms.ts',
    lines: [
      refused("export * from '../db/thing.ts'"),
      refused("export { thing } from '../db/thing.ts'"),
      refused("import '../db/thing.ts'"),
      refused("export const thing = import('../db/thing.ts')"),
    ],
  },
  {
    file: 'src/routes/values.ts',
    lines: [
      allowed("import type { MultipartLimits } from '../multipart/thing.ts'"),
      refused("import { parseMultipart } from '../multipart/thing.ts'"),
      refused("import { receiveFile } from '../ingest/thing.ts'"),
    ],
  },
  { file: 'src/routes/part/values.ts', lines: [refused("import { receiveFile } from '../../ingest/thing.ts'")] },
  { file: 'src/problem.ts', lines: [allowed(importOf('./multipart/errors.ts'))] },
  {
    file: 'src/index.ts',
    lines: [
      allowed(importOf('./limits/rate-limiter-object.ts')),
      refused(importOf('./limits/durable.ts')),
      allowed(importOf('./live/watch-object.ts')),
      refused(importOf('./live/durable-watchers.ts')),
    ],
  },
  {
    file: 'src/worker.ts',
    lines: [allowed(importOf('./queue/cloudflare.ts')), refused(importOf('./queue/qstash.ts'))],
  },
  { file: 'src/db/part/deeper/thing.ts', lines: [refused(importOf('./thing.ts'))] },
]

/** Both know the server by its HTTP interface alone, in whatever depth; the client runs in browsers, too. */
const programs: Example[] = ['cli', 'client']
  .flatMap((program) => [
    { program, file: `${program}/example.ts`, up: '../' },
    { program, file: `${program}/part/example.ts`, up: '../../' },
  ])
  .map(({ program, file, up }) => ({
    file,
    lines: [
      ...folders.map((folder) => refused(importOf(`${up}src/${within(folder)}`))),
      refused(importOf(`${up}scripts/thing.ts`)),
      refused(importOf('cloudflare:workers')),
      { source: importOf('node:fs'), allowed: program === 'cli' },
      allowed(importOf('./thing.ts')),
      allowed(importOf('commander')),
      ...(file.includes('part') ? [allowed(importOf('../thing.ts'))] : []),
    ],
  }))

/** The console as well; within it, a part knows no page, and a page no other. */
const webConsole: Example[] = [
  { file: 'web/src/example.ts', up: '../../', inside: ['./parts/thing.tsx', '../../client/thing.ts'], outside: [] },
  {
    file: 'web/src/parts/example.tsx',
    up: '../../../',
    inside: ['./thing.tsx', '../api.ts'],
    outside: ['../pages/files/thing.tsx', '../shell.tsx'],
  },
  {
    file: 'web/src/pages/files/example.tsx',
    up: '../../../../',
    inside: ['./thing.tsx', '../../api.ts', '../../parts/thing.tsx'],
    outside: ['../domain/thing.tsx', '../../app.tsx'],
  },
  {
    file: 'web/src/pages/domain/part/example.tsx',
    up: '../../../../../',
    inside: ['./thing.tsx', '../thing.tsx', '../../../api.ts', '../../../parts/thing.tsx'],
    outside: ['../../files/thing.tsx', '../../../app.tsx'],
  },
].map(({ file, up, inside, outside }) => ({
  file,
  lines: [
    ...['src/core/thing.ts', 'cli/thing.ts', 'scripts/thing.ts'].map((target) => refused(importOf(up + target))),
    ...inside.map((target) => allowed(importOf(target))),
    ...outside.map((target) => refused(importOf(target))),
    allowed(importOf('preact')),
  ],
}))

type Diagnostic = { code: { value: string }; location: { path: string; range: { start: { line: number } } } }

/** Writes files into the workspace, lints it with the project's own configuration, and gives what Biome found. */
function lint(files: Map<string, string>): Diagnostic[] {
  const folder = mkdtempSync(join(workspace, 'case-'))
  for (const file of ['biome.json', '.gitignore']) cpSync(file, join(folder, file))
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const biome = join(process.cwd(), 'node_modules/.bin/biome')
  const run = spawnSync(biome, ['lint', '--max-diagnostics=none', '--reporter=rdjson'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  expect(run.stdout, run.stderr).toMatch(/^\{/)
  return JSON.parse(run.stdout).diagnostics
}

/** The lines that the layer rules refuse, as `file: source`. */
function refusedLines(examples: Example[]): string[] {
  const files = new Map(examples.map(({ file, lines }) => [file, lines.map(({ source }) => source).join('\n')]))
  return lint(files)
    .filter(({ code }) => code.value === 'lint/style/noRestrictedImports')
    .map(({ location: { path, range } }) => `${path}: ${files.get(path)?.split('\n')[range.start.line - 1]}`)
    .sort()
}

const linesToRefuse = (examples: Example[]) =>
  examples
    .flatMap(({ file, lines }) => lines.filter((line) => !line.allowed).map(({ source }) => `${file}: ${source}`))
    .sort()

describe('the layers of src', () => {
  test.each([
    { rule: 'every pair of layers, in both depths', examples: everyPair() },
    { rule: 'a layer may import within itself', examples: itself },
    { rule: 'SQL stays in db, HTTP at the edge, and the platform out of pure code', examples: packages },
    { rule: 'only types come from deps', examples: typesOnly },
    { rule: 'every form of import counts', examples: otherForms },
    { rule: 'the command line and the client take nothing of the server', examples: programs },
    { rule: 'the console takes nothing of the server', examples: webConsole },
  ])('$rule', ({ examples }) => {
    expect(examples.length).toBeGreaterThan(0)
    expect(refusedLines(examples)).toEqual(linesToRefuse(examples))
  })

  test.each([
    { kind: 'values', word: 'import' },
    { kind: 'types', word: 'import type' },
  ])('a circle of $kind is refused', ({ word }) => {
    const circle = lint(
      new Map([
        ['src/core/one.ts', `${word} { Two } from './two.ts'\nexport class One {}\nexport type A = Two\n`],
        ['src/core/two.ts', `${word} { Three } from './three.ts'\nexport class Two {}\nexport type B = Three\n`],
        ['src/core/three.ts', `${word} { One } from './one.ts'\nexport class Three {}\nexport type C = One\n`],
        ['src/core/four.ts', `${word} { One } from './one.ts'\nexport type D = One\n`],
      ]),
    ).filter(({ code }) => code.value === 'lint/suspicious/noImportCycles')
    expect(circle.map(({ location }) => location.path).sort()).toEqual([
      'src/core/one.ts',
      'src/core/three.ts',
      'src/core/two.ts',
    ])
  })

  test('every folder and file at the top of src has its rule', () => {
    const found = readdirSync('src', { withFileTypes: true })
    expect(folders).toEqual(expect.arrayContaining(found.filter((it) => it.isDirectory()).map(({ name }) => name)))
    expect(entryFiles).toEqual(expect.arrayContaining(found.filter((it) => it.isFile()).map(({ name }) => name)))
  })

  test('imports are written the shortest way, so that the rules can read them', () => {
    const detour = /from '\.\/\.\.|(?:from |import\(?)'[^']*[^./']\/\.\.\/|\bimport\('[^']*'\)\./
    const sources = globSync('src/**/*.ts')
    expect(sources.length).toBeGreaterThan(0)
    expect(sources.filter((file) => detour.test(readFileSync(file, 'utf8')))).toEqual([])
  })
})
