import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from './local-worker.ts'

/** A fenced block of a page that is run in a shell, and the answer that the page shows for it. */
export interface CommandBlock {
  /** The page, from the repository's root. */
  page: string
  /** The line at which the block begins, counted from 1. */
  line: number
  commands: string
  /** The block that follows with nothing between. */
  answer?: { language: 'json' | 'text'; text: string }
}

/** The pages whose commands are run. */
export function documentedPages(): string[] {
  const pages = readdirSync(join(repository, 'docs')).filter((name) => name.endsWith('.md'))
  return ['README.md', ...pages.sort().map((name) => `docs/${name}`)]
}

/** The `sh` blocks of a page, in their order. */
export function commandBlocks(page: string): CommandBlock[] {
  const text = readFileSync(join(repository, page), 'utf8')
  const fences = [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((match) => ({
    language: match[1] ?? '',
    content: match[2] ?? '',
    start: match.index,
    end: match.index + match[0].length,
  }))
  return fences.flatMap(({ language, content, start, end }, index) => {
    if (language !== 'sh') return []
    const next = fences[index + 1]
    const isAnswer = next && /^(json|text)$/.test(next.language) && text.slice(end, next.start).trim() === ''
    const line = text.slice(0, start).split('\n').length
    const answer = isAnswer ? { answer: { language: next.language as 'json' | 'text', text: next.content } } : {}
    return [{ page, line, commands: content, ...answer }]
  })
}

/**
 * What a text has in place of what is another each time. Two texts are alike when only these differ: ids, times, tokens
 * and keys, and whatever the page itself cuts off with "…".
 */
const changing: [pattern: RegExp, name: string][] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>'],
  [/stvt?_[\w.-]+…?/g, '<credential>'],
  [/whsec_[\w+/=]+…?/g, '<secret>'],
]

/** A text with a name in place of everything that is another each time. */
export function withoutChanging(text: string): string {
  return changing.reduce((rest, [pattern, name]) => rest.replace(pattern, name), text)
}

/** What differs between the JSON that a page shows and the one that came, a line each; nothing when they are alike. */
export function differences(shown: unknown, came: unknown, path = '$'): string[] {
  if (shown === '…') return came === undefined ? [`${path} is missing`] : []
  if (typeof shown === 'string' && typeof came === 'string') {
    const [one, other] = [withoutChanging(shown), withoutChanging(came)]
    return one === other ? [] : [`${path} is ${JSON.stringify(came)}, not ${JSON.stringify(shown)}`]
  }
  if (typeof shown !== 'object' || shown === null || typeof came !== 'object' || came === null) {
    return Object.is(shown, came) ? [] : [`${path} is ${JSON.stringify(came)}, not ${JSON.stringify(shown)}`]
  }
  if (Array.isArray(shown) !== Array.isArray(came)) return [`${path} is of another kind`]
  const names = new Set([...Object.keys(shown), ...Object.keys(came)])
  return [...names].flatMap((name) => {
    if (!Object.hasOwn(came, name)) return [`${path}.${name} is missing`]
    if (!Object.hasOwn(shown, name)) return [`${path}.${name} is not shown`]
    return differences(Reflect.get(shown, name), Reflect.get(came, name), `${path}.${name}`)
  })
}
