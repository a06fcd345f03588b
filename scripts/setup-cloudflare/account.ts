import { z } from 'zod'
import { Failure } from '../failure.ts'
import type { Wrangler } from './wrangler.ts'

const shape = z.looseObject({
  loggedIn: z.boolean(),
  accounts: z.array(z.looseObject({ id: z.string(), name: z.string() })).optional(),
})

/** Whether wrangler has credentials for Cloudflare. */
export async function isLoggedIn(wrangler: Wrangler): Promise<boolean> {
  return (await whoAmI(wrangler))?.loggedIn ?? false
}

/**
 * Throws a `Failure` that says what to do unless wrangler is logged in, and knows which account is meant: wrangler would
 * ask for it, and in the middle of the setup there is nobody to answer.
 */
export async function requireAccount(wrangler: Wrangler, env: NodeJS.ProcessEnv): Promise<void> {
  const user = await whoAmI(wrangler)
  if (!user?.loggedIn) {
    throw new Failure(
      'Wrangler is not logged in to Cloudflare. Run "npx wrangler login", or set CLOUDFLARE_API_TOKEN, then run this again.',
    )
  }
  const accounts = user.accounts ?? []
  if (accounts.length < 2 || env.CLOUDFLARE_ACCOUNT_ID) return
  const list = accounts.map(({ id, name }) => `  ${id}  ${name}`).join('\n')
  throw new Failure(
    `You have several accounts. Set CLOUDFLARE_ACCOUNT_ID to one of them, then run this again:\n${list}`,
  )
}

async function whoAmI(wrangler: Wrangler): Promise<z.infer<typeof shape> | undefined> {
  // The exit code is 1 when nobody is logged in, and the answer is JSON all the same.
  const { stdout } = await wrangler.try(['whoami', '--json'])
  try {
    return shape.parse(JSON.parse(stdout))
  } catch {
    return undefined
  }
}
