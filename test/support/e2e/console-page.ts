import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { accessibilityViolations } from './accessibility.ts'
import { executablePath } from './chromium.ts'
import { repository } from './local-worker.ts'

/** How a page is looked at: each size in each colour scheme. */
const looks = (['light', 'dark'] as const).flatMap((colorScheme) => [
  { name: `desktop-${colorScheme}` as const, colorScheme, viewport: { width: 1280, height: 860 } },
  { name: `phone-${colorScheme}` as const, colorScheme, viewport: { width: 360, height: 740 } },
])
type Look = (typeof looks)[number]['name']

/** The web console in a browser, with everything noted that it should not do. */
export interface ConsolePage {
  page: Page
  /** Addresses outside of the console's own origin that were asked for. */
  foreignRequests: string[]
  /** What the browser complained of: errors of scripts, of the content security policy, and answers from 400 on. */
  complaints: string[]
  /**
   * Looks at what is shown in both colour schemes, at desktop and phone width: keeps a screenshot of each, and gives
   * what is wrong: violations that axe finds, and what is wider than the window. With `only`, in some of them.
   */
  lookAt(name: string, only?: readonly Look[]): Promise<string[]>
  close(): Promise<void>
}

const folder = join(repository, 'test-results/console')

/** Opens the console at `origin`, at a place in it such as `#/domains`. Screenshots go to `test-results/console`. */
export async function openConsole(origin: string, place = ''): Promise<ConsolePage> {
  await mkdir(folder, { recursive: true })
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  const page = await browser.newPage({ reducedMotion: 'reduce' })
  const foreignRequests: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => {
    const url = request.url()
    // A picture that the page has fetched itself.
    if (!url.startsWith(`${origin}/`) && !url.startsWith(`blob:${origin}/`)) foreignRequests.push(url)
  })
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${message.text()} (${message.location().url})`)
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(`${origin}/${place}`)

  async function lookAt(name: string, only?: readonly Look[]): Promise<string[]> {
    const wrong: string[] = []
    for (const look of looks) {
      if (only && !only.includes(look.name)) continue
      await page.setViewportSize(look.viewport)
      await page.emulateMedia({ colorScheme: look.colorScheme })
      await page.evaluate('scrollTo(0, 0)')
      await page.screenshot({ path: join(folder, `${name}-${look.name}.png`), fullPage: true })
      const wider = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
      if (wider > 0) wrong.push(`${name}, ${look.name}: ${wider} px wider than the window`)
      for (const violation of await accessibilityViolations(page)) wrong.push(`${name}, ${look.name}: ${violation}`)
    }
    return wrong
  }

  return { page, foreignRequests, complaints, lookAt, close: () => browser.close() }
}
