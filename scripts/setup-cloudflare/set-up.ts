import { Client } from '../../cli/client.ts'
import { requireAccount } from './account.ts'
import { bucketSteps } from './bucket.ts'
import type { Production } from './configuration.ts'
import { databaseStep, migrationStep } from './database.ts'
import { buildStep, configurationStep, deployStep } from './deployment.ts'
import { ensureDomain, ensureFirstKey } from './first-domain.ts'
import type { PrivateNotes } from './private-notes.ts'
import type { Answers } from './questions.ts'
import { queueStep } from './queue.ts'
import { secretsStep } from './secrets.ts'
import { tryUpload, waitUntilHealthy } from './smoke-test.ts'
import { type Step, takeSteps } from './step.ts'
import type { Wrangler } from './wrangler.ts'

export interface Setup {
  answers: Answers
  production: Production
  notes: PrivateNotes
  wrangler: Wrangler
  /** The folder that holds wrangler.toml. */
  folder: string
  env: NodeJS.ProcessEnv
  newSecret: () => string
  /** Whether somebody is there to be asked. */
  isAttended: boolean
  /** For how many seconds a fresh deployment may be unreachable. */
  healthySeconds: number
  signal: AbortSignal
  say: (line: string) => void
}

/** All that is done through wrangler, in its order. */
export function stepsOf({
  answers,
  production,
  notes,
  wrangler,
  folder,
  env,
  newSecret,
  signal,
  isAttended,
}: Setup): Step[] {
  const { buckets, databases, queues, worker } = production
  const { host, zone } = answers
  return [
    ...buckets.flatMap((bucket) => bucketSteps(wrangler, bucket)),
    ...databases.map((database) => databaseStep(wrangler, database)),
    ...queues.map((name) => queueStep(wrangler, name)),
    configurationStep({ wrangler, folder, host, zone, production }),
    ...databases.map((database) => migrationStep(wrangler, database)),
    secretsStep({ wrangler, worker, notes, adminToken: env.ADMIN_TOKEN || undefined, newSecret }),
    buildStep({ folder, env, signal }),
    deployStep(wrangler, worker, isAttended),
  ]
}

/** What was told to nobody before, and can't be told again. */
export interface Handover {
  adminToken: string | undefined
  firstKey: string | undefined
}

/**
 * Sets a deployment up, or goes on with one that was cut off. Gives what its owner has to keep, for the caller to show
 * once; after that `notes` must forget it. Throws a `Failure` that says what to do, a `CommandError` of the deployment's
 * own, and the signal's reason when that aborts.
 */
export async function setUp(setup: Setup): Promise<Handover> {
  const { answers, notes, wrangler, env, healthySeconds, say } = setup
  await requireAccount(wrangler, env)
  await notes.change({ domain: answers.domain })
  await takeSteps(stepsOf(setup), say)

  await waitUntilHealthy(clientOf(setup, undefined), healthySeconds)
  say(`  ✓ ${answers.url.origin}/healthz`)

  const adminToken = env.ADMIN_TOKEN || notes.now.adminToken
  if (adminToken === undefined) {
    say(
      '  – domain and test upload: left out, for ADMIN_TOKEN is not known here. Run this with ADMIN_TOKEN=… to have them.',
    )
    return { adminToken: undefined, firstKey: undefined }
  }
  const administrator = clientOf(setup, adminToken)
  const isNew = await ensureDomain(administrator, answers.domain, notes)
  say(isNew ? `  + domain "${answers.domain}": done` : `  ✓ domain "${answers.domain}": there already`)
  const firstKey = await ensureFirstKey(administrator, answers.domain, notes)

  const upload = await tryUpload(firstKey === undefined ? administrator : clientOf(setup, firstKey), notes)
  if (upload.outcome === 'complete') say(`  ✓ test upload: complete after ${upload.milliseconds} ms, and deleted`)
  else say(`  – test upload: the policy of "${answers.domain}" does not take it. ${upload.reason}`)
  return { adminToken: notes.now.adminToken, firstKey }
}

function clientOf({ answers, signal, say }: Setup, key: string | undefined): Client {
  const settings = { url: answers.url, key, domain: answers.domain }
  return new Client({ settings, version: 'setup', retries: 3, signal, note: (text) => say(`    ${text}`) })
}
