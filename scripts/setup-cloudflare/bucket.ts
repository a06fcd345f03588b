import type { Bucket } from './configuration.ts'
import type { Step } from './step.ts'
import { commandLine, failureOf, type Wrangler } from './wrangler.ts'

/** After how many days R2 ends a multipart upload whose id could not be recorded. Resumable uploads end before. */
const abortAfterDays = 7

/** The bucket, and the rule that ends what a crash has left open in it. */
export function bucketSteps(wrangler: Wrangler, { name, jurisdiction }: Bucket): Step[] {
  const place = jurisdiction === undefined ? [] : ['--jurisdiction', jurisdiction]
  const create = ['r2', 'bucket', 'create', name, ...place]
  const addRule = [
    ...['r2', 'bucket', 'lifecycle', 'add', name, 'abort-unfinished'],
    ...['--abort-multipart-days', String(abortAfterDays), '--force', ...place],
  ]
  return [
    {
      title: `bucket "${name}"`,
      commands: [commandLine(create)],
      look: () => lookForBucket(wrangler, name, place),
      run: async () => void (await wrangler.run(create)),
    },
    {
      title: `lifecycle rule of bucket "${name}"`,
      commands: [commandLine(addRule)],
      look: () => lookForRule(wrangler, name, place),
      run: async () => void (await wrangler.run(addRule)),
    },
  ]
}

async function lookForBucket(wrangler: Wrangler, name: string, place: string[]): Promise<string | undefined> {
  const args = ['r2', 'bucket', 'info', name, '--json', ...place]
  const ended = await wrangler.try(args)
  if (ended.exitCode === 0) return 'there already'
  if (isMissing(ended)) return undefined
  throw failureOf(args, ended)
}

async function lookForRule(wrangler: Wrangler, name: string, place: string[]): Promise<string | undefined> {
  const args = ['r2', 'bucket', 'lifecycle', 'list', name, ...place]
  const ended = await wrangler.try(args)
  if (ended.exitCode !== 0) {
    // Before the bucket is made, as in a dry run, it has no rules either.
    if (isMissing(ended)) return undefined
    throw failureOf(args, ended)
  }
  const rules = ended.stdout.split(/\n\s*\n/)
  return rules.some(endsUnfinishedUploads) ? 'there already' : undefined
}

/** One rule as wrangler prints it, a line a fact. New buckets come with one of Cloudflare's that does as well. */
function endsUnfinishedUploads(rule: string): boolean {
  const fact = (label: string) => new RegExp(`^${label}:\\s+(.*)$`, 'm').exec(rule)?.[1]?.trim()
  const days = /Abort incomplete multipart uploads after (\d+) days/.exec(fact('action') ?? '')?.[1]
  return fact('enabled') === 'Yes' && fact('prefix') === '(all prefixes)' && Number(days) === abortAfterDays
}

const isMissing = ({ stderr }: { stderr: string }) => /\[code: 10006\]/.test(stderr)
