import { readFile } from 'node:fs/promises'
import type { Client } from '../client.ts'
import { WrongUse } from '../errors.ts'
import { readPolicyFields } from './fields.ts'
import { describeFields, parsePolicyWords, requirePolicy } from './values.ts'

/**
 * The policy that a command line gives: a file of JSON, `field=value` words, or both, the words having the last say.
 * Undefined without any. Throws `WrongUse` when it can't be read.
 */
export async function policyOf(
  client: Client,
  words: readonly string[],
  file: string | undefined,
): Promise<Record<string, unknown> | undefined> {
  if (words.length === 0 && file === undefined) return undefined
  const given = file === undefined ? {} : await readPolicyFile(file)
  const fields = await readPolicyFields(client)
  return { ...requirePolicy(given, fields), ...parsePolicyWords(words, fields) }
}

/** The error for a command that sets a policy and was given none: it shows what there is to set. */
export async function nothingToSet(client: Client): Promise<WrongUse> {
  return new WrongUse(
    `What is to be set? Give field=value words or --policy FILE. The policy has:\n${describeFields(await readPolicyFields(client))}`,
  )
}

async function readPolicyFile(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new WrongUse(`"${path}" can't be read: ${error.message}`, { cause: error })
  })
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new WrongUse(`"${path}" is no JSON: ${(error as Error).message}`, { cause: error })
  }
}
