import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Result } from 'axe-core'
import type { Page } from 'playwright-core'
import { repository } from './local-worker.ts'

const axe = readFile(join(repository, 'node_modules/axe-core/axe.min.js'), 'utf8')

/** What axe finds wrong with a page as it is shown now, a line for each rule: its name, and the elements that break it. */
export async function accessibilityViolations(page: Page): Promise<string[]> {
  if (!(await page.evaluate<boolean>('"axe" in window'))) await page.evaluate(await axe)
  const { violations } = await page.evaluate<{ violations: Result[] }>('axe.run({ resultTypes: ["violations"] })')
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}
