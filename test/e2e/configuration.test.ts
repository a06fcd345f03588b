import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('every variable and binding of the environment is in the table for operators', () => {
  const names = [...readFileSync('src/env.ts', 'utf8').matchAll(/^ {4}([A-Z][A-Z_]+): /gm)].map(([, name]) => name!)
  expect(names).toEqual(expect.arrayContaining(['DB', 'BASE_DOMAIN', 'WEBHOOK_RETRY_SECONDS']))
  const rows = readFileSync('docs/configuration.md', 'utf8').match(/^\| `.*$/gm) ?? []
  expect(names.filter((name) => !rows.some((row) => row.includes(`\`${name}\``)))).toEqual([])
})
