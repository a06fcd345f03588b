import { existsSync } from 'node:fs'
import { chromium, type Page } from 'playwright-core'
import type { RefusalClient, SeenAnswer } from './refusal-clients.ts'

export const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** Why there is no browser to test with, or undefined when there is one. */
export const chromiumMissing = existsSync(executablePath)
  ? undefined
  : `there is no Chromium at ${executablePath} (set CHROMIUM to its path)`

export interface Browser {
  page: Page
  close(): Promise<void>
}

/** Opens Chromium on a page of the server's own, so that what its scripts fetch is of the same origin. */
export async function openChromium(url: string): Promise<Browser> {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  const page = await (await browser.newContext()).newPage()
  await page.goto(url)
  return { page, close: () => browser.close() }
}

/** Chromium's fetch, in a page of the server. It sends no chunked bodies over HTTP/1.1. */
export function chromiumClient(page: () => Page): RefusalClient {
  return {
    name: 'Chromium',
    sendsChunked: false,
    send: async (_port, { method, target, headers, bodyFile }, times) => {
      // The file goes in as a user's does: a script could not be handed so much.
      await page().setContent('<input type="file">')
      await page().setInputFiles('input', bodyFile)
      return page().evaluate(sendAgainAndAgain, { method, target, headers, times })
    },
  }
}

/** Runs in the page. */
async function sendAgainAndAgain(request: {
  method: string
  target: string
  headers: Record<string, string>
  times: number
}): Promise<SeenAnswer[]> {
  // biome-ignore lint/suspicious/noExplicitAny: the types in reach are those of the Workers runtime, not of a page
  const { document, location } = globalThis as any
  const body = document.querySelector('input').files[0]
  const { method, headers } = request
  const answers: SeenAnswer[] = []
  while (answers.length < request.times) {
    try {
      const answer = await fetch(location.origin + request.target, { method, headers, body })
      answers.push({ status: answer.status, code: ((await answer.json()) as { code: string }).code })
    } catch (error) {
      answers.push({ broken: String(error) })
    }
  }
  return answers
}
