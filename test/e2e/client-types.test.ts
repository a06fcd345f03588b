import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { clientTypes, clientTypesPath } from '../../scripts/make-client-types.ts'
import { repository } from '../support/e2e/local-worker.ts'

test('the types of the client are those of the server’s schemas', async () => {
  const biome = join(repository, 'node_modules/@biomejs/biome/bin/biome')
  const args = [biome, 'format', '--stdin-file-path=client/types.ts']
  const formatted = spawnSync(process.execPath, args, { input: clientTypes(), encoding: 'utf8', cwd: repository })
  expect(formatted.stderr).toBe('')
  expect(await readFile(clientTypesPath, 'utf8'), 'run `npm run types:client`').toBe(formatted.stdout)
})
