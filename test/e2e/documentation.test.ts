import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { repository } from '../support/e2e/local-worker.ts'

const docs = join(repository, 'docs')
const page = readFileSync(join(docs, 'following-a-file.md'), 'utf8')

test('a file’s way through the code names only what is there', () => {
  const links = [...page.matchAll(/\]\(([^)#]+)\)(?: `(\w+)`)?/g)]
  expect(links.length).toBeGreaterThan(30)
  const missing = links.flatMap(([, target = '', name]) => {
    const path = join(docs, target)
    if (!existsSync(path)) return [target]
    if (name === undefined) return []
    const isThere = new RegExp(`^export (default )?(async )?(function|class|const) ${name}\\b`, 'm')
    return isThere.test(readFileSync(path, 'utf8')) ? [] : [`${target}: ${name}`]
  })
  expect(missing).toEqual([])
})

test('the index leads to every page', () => {
  const index = readFileSync(join(docs, 'README.md'), 'utf8')
  const pages = readdirSync(docs).filter((name) => name.endsWith('.md') && name !== 'README.md')
  expect(pages.filter((name) => !index.includes(`](${name})`))).toEqual([])
})

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.+)$/gm)
  const plain = (heading: string) => heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
  return new Set(
    [...headings].map(([, heading = '']) =>
      plain(heading)
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

test.each(
  ['README.md', ...readdirSync(docs, { recursive: true }).map((name) => `docs/${name}`)].filter((name) =>
    name.endsWith('.md'),
  ),
)('every link of %s leads somewhere', (name) => {
  const file = join(repository, name)
  const text = readFileSync(file, 'utf8').replaceAll(/^```.*?^```$/gms, '')
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  const broken = targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false
    const [path = '', anchor] = target.split('#')
    const linked = path === '' ? file : join(dirname(file), path)
    if (!existsSync(linked)) return true
    return anchor !== undefined && !anchorsOf(readFileSync(linked, 'utf8')).has(anchor)
  })
  expect(broken).toEqual([])
})
