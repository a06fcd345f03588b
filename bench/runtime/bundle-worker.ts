import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { writeBareConfig } from './bare-config.ts'

const root = join(import.meta.dirname, '../..')
const wrangler = join(dirname(fileURLToPath(import.meta.resolve('wrangler/package.json'))), 'bin/wrangler.js')

export interface Bundle {
  script: string
  /** The WebAssembly that it imports, by the names that it imports it by. */
  wasm: Map<string, Uint8Array<ArrayBuffer>>
  /** What wrangler printed, the bundle's size among it. */
  output: string
}

const bundles = new Map<string, Promise<Bundle>>()

/**
 * Bundles a Worker as a deployment would, by `wrangler deploy --dry-run` as the project's own configuration says, so
 * that what is measured is what is shipped. `entry` is relative to the project. Each is bundled once a run: what changes in
 * the sources meanwhile does not change what is measured.
 */
export function bundleWorker(entry: string): Promise<Bundle> {
  let bundle = bundles.get(entry)
  if (!bundle) {
    bundle = runWrangler(entry)
    bundles.set(entry, bundle)
  }
  return bundle
}

async function runWrangler(entry: string): Promise<Bundle> {
  const folder = await mkdtemp(join(tmpdir(), 'stevedore-bundle-'))
  try {
    const config = await writeBareConfig(folder)
    const args = ['deploy', join(root, entry), '--dry-run', '--outdir', folder, '--config', config]
    const { stdout } = await promisify(execFile)(process.execPath, [wrangler, ...args], {
      cwd: root,
      env: { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_WRITE_LOGS: 'false', NO_COLOR: '1' },
    })
    const name = entry.replace(/^.*\//, '').replace(/\.ts$/, '.js')
    const wasm = new Map<string, Uint8Array<ArrayBuffer>>()
    for (const file of await readdir(folder)) {
      if (file.endsWith('.wasm')) wasm.set(file, Uint8Array.from(await readFile(join(folder, file))))
    }
    return { script: await readFile(join(folder, name), 'utf8'), wasm, output: stdout }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
