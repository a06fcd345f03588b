import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unstable_readConfig } from 'wrangler'

const root = join(import.meta.dirname, '../..')

/**
 * Writes into `folder` how the project builds its Worker, without what the Worker is bound to: a Worker that is measured
 * beside the application has none of its Durable Objects. Returns the file's path.
 */
export async function writeBareConfig(folder: string): Promise<string> {
  const { name, compatibility_date, compatibility_flags, keep_names, minify } = unstable_readConfig({
    config: join(root, 'wrangler.toml'),
  })
  const path = join(folder, 'wrangler.json')
  await writeFile(path, JSON.stringify({ name, compatibility_date, compatibility_flags, keep_names, minify }))
  return path
}
