import { randomBytes } from 'node:crypto'
import { CommanderError } from 'commander'
import { CommandError } from '../cli/errors.ts'
import { describeFailure } from './failure.ts'
import { isLoggedIn } from './setup-cloudflare/account.ts'
import { readConfiguration } from './setup-cloudflare/deployment.ts'
import { forgetFirstKey } from './setup-cloudflare/first-domain.ts'
import { parseFlags } from './setup-cloudflare/options.ts'
import { PrivateNotes } from './setup-cloudflare/private-notes.ts'
import { answerAll, askIn } from './setup-cloudflare/questions.ts'
import { type Handover, type Setup, setUp, stepsOf } from './setup-cloudflare/set-up.ts'
import { showSteps } from './setup-cloudflare/step.ts'
import { Wrangler } from './setup-cloudflare/wrangler.ts'
import { abortOnStopSignals, StopRequest } from './stop-signals.ts'

/** A certificate for a new hostname takes some minutes. */
const healthySeconds = 300

/** `npm run setup:cloudflare`: puts Stevedore on a Cloudflare account; docs/operations.md describes it. */
async function main(args: readonly string[], signal: AbortSignal): Promise<void> {
  const flags = parseFlags(args)
  const { env } = process
  const folder = process.cwd()
  const say = (line: string) => console.log(line)

  const production = await readConfiguration(folder)
  const ask = flags.yes || !process.stdin.isTTY ? undefined : askIn(process.stdin, process.stdout, signal)
  const earlierDomain = async (host: string) => (await PrivateNotes.open(folder, host)).now.domain
  const answers = await answerAll(flags, production, earlierDomain, ask)
  const notes = await PrivateNotes.open(folder, answers.host)
  const wrangler = new Wrangler({ folder, env, signal })
  const newSecret = () => randomBytes(32).toString('base64url')
  const isAttended = ask !== undefined && process.stdout.isTTY
  const where = { folder, env, wrangler, notes }
  const setup: Setup = { ...where, answers, production, newSecret, isAttended, healthySeconds, signal, say }

  if (flags.dryRun) return showPlan(setup)

  say(`Setting up ${answers.host} …`)
  const handover = await setUp(setup)
  say(`\n${farewell(setup, handover)}`)
  // Only what was shown may be forgotten.
  await forgetFirstKey(answers.domain, notes)
  await notes.change({ adminToken: undefined })
}

async function showPlan(setup: Setup): Promise<void> {
  const { answers, wrangler, say } = setup
  const mayLook = await isLoggedIn(wrangler)
  say(`What the setup of ${answers.host} does, step by step. Nothing is changed now.\n`)
  if (!mayLook) say('Wrangler is not logged in, so what is there already is not known.\n')
  await showSteps(stepsOf(setup), say, { mayLook })
  say(`Then it waits for ${answers.url.origin}/healthz, makes the domain "${answers.domain}" and a key for it,`)
  say('uploads a small file, waits until it is complete, and deletes it.')
}

function farewell({ answers: { url, host, zone, domain } }: Setup, { adminToken, firstKey }: Handover): string {
  const secrets = [
    ...(adminToken === undefined ? [] : [`  administrator's token   ${adminToken}`]),
    ...(firstKey === undefined
      ? []
      : [`  key of "${domain}"${' '.repeat(Math.max(1, 15 - domain.length))}${firstKey}`]),
  ]
  const lines = [
    `Stevedore runs at ${url.origin}`,
    ...(secrets.length === 0 ? [] : ['', 'Keep these. They are shown this once:', '', ...secrets]),
    '',
    `  curl -T FILE ${url.origin}/v1/uploads/ -H "Authorization: Bearer KEY"`,
    ...(zone === null
      ? []
      : [
          '',
          `For ${domain}.${host}: a proxied DNS record for *.${host} and a certificate for it (docs/operations.md).`,
          `Until then a key, the header X-Upload-Domain or ?domain= says the domain at ${host}.`,
        ]),
  ]
  return lines.join('\n')
}

try {
  await main(process.argv.slice(2), abortOnStopSignals())
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode
  else if (error instanceof StopRequest) {
    console.error(`${error.message} Run it again to go on.`)
    process.exitCode = error.exitCode
  } else {
    console.error(`\n${error instanceof CommandError ? error.message : describeFailure(error)}`)
    console.error('\nWhat was done stays. Run this again to go on from here.')
    process.exitCode = 1
  }
}
