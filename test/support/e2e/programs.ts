import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs a program and gives its standard output. Throws, with all that it wrote, when it ends with anything but 0. */
export function run(program: string, args: readonly string[], input = ''): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: 64 * 1024 * 1024, encoding: 'buffer' as const }
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}\n${stdout}`))
      else resolve(stdout)
    })
    // A program that ends before it has read all of its input says why itself.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

export interface CurlAnswer {
  status: number
  /** Names in lower case. */
  headers: Record<string, string>
  body: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into answers of any shape
  json(): any
}

/**
 * Runs curl as a user would, but without a configuration file. It finds every `*.localhost` by itself. A broken
 * connection is an exit code of curl, and throws.
 */
export async function curl(...args: string[]): Promise<CurlAnswer> {
  const folder = await mkdtemp(join(tmpdir(), 'stevedore-curl-'))
  try {
    const headFile = join(folder, 'head')
    const body = await run('curl', ['-q', '-sS', '--max-time', '120', '-D', headFile, ...args])
    return { ...parseHead(await readFile(headFile, 'latin1')), body, json: () => JSON.parse(body.toString()) }
  } finally {
    await rm(folder, { recursive: true })
  }
}

function parseHead(text: string): { status: number; headers: Record<string, string> } {
  // Interim answers come before the last block.
  const [statusLine = '', ...lines] = text.trimEnd().split('\r\n\r\n').at(-1)?.split('\r\n') ?? []
  const fields = lines.map((line) => [
    line.slice(0, line.indexOf(':')).toLowerCase(),
    line.slice(line.indexOf(':') + 2),
  ])
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1]), headers: Object.fromEntries(fields) }
}
