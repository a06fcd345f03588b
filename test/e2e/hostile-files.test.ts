import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBareWorker } from '../support/e2e/bare-worker.ts'
import { type Browser, chromiumMissing, openChromium } from '../support/e2e/chromium.ts'
import { expectStatus, makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import type { LocalWorker } from '../support/e2e/local-worker.ts'
import * as files from '../support/hostile-files.ts'
import { hostileFiles } from '../support/hostile-table.ts'

/**
 * Every file with something to run in it that a domain without limits accepts, in a real browser: opened by itself, and
 * used in every way by a page of the domain's own origin that forbids nothing. What runs asks that origin for /canary.
 */

let worker: LocalWorker
let domain: TestDomain
let browser: Browser
let origin: string
/** What asked for /canary, but for the frame that is asked for last. */
let ran: string[] = []
let tellThatOneRan = () => {}
let hasLastRun = false

const canary16 = Buffer.from('canary', 'utf16le')
const canaries = [Buffer.from('canary'), canary16, Buffer.from(canary16).swap16()]
const runnable = hostileFiles.filter(
  ({ content }) => content === files.svgz || canaries.some((canary) => Buffer.from(content).includes(canary)),
)

/** Uses each address in every way there is; resolves when all that tell their end have told it. */
const page = `<!DOCTYPE html><title>page</title><body><script>
  function use(urls) {
    const settled = (element) => new Promise((done) => { element.onload = element.onerror = done })
    const add = (name, attributes) => {
      const element = Object.assign(document.createElement(name), attributes)
      const end = settled(element)
      document.body.append(element)
      return end
    }
    return Promise.all(urls.flatMap((url) => {
      add('iframe', { src: url })
      add('object', { data: url })
      add('embed', { src: url })
      return [
        ...[{}, { type: 'module' }].map((options) => settled(new Worker(url, options))),
        add('img', { src: url }),
        add('script', { src: url }),
        add('script', { src: url, type: 'module' }),
        add('link', { href: url, rel: 'stylesheet' }),
        import(url).catch(() => {}),
      ]
    })).then(() => {})
  }
</script></body>`

/** The same files as a careless server would send them. */
const unprotected = new Map<string, [type: string, content: Buffer]>([
  ['script', ['text/javascript', files.module]],
  ['page', ['text/html', files.htmlPlain]],
  ['drawing', ['image/svg+xml', files.svgWithProlog]],
  ['xml', ['application/xml', files.xmlWithXhtmlInside]],
  ['sheet', ['text/css', files.css]],
])

describe.skipIf(chromiumMissing)('in Chromium', () => {
  beforeAll(async () => {
    worker = await startBareWorker()
    domain = await makeDomain(worker, { readBeforeComplete: true, steps: [] })
    origin = `http://${domain.host}:${worker.port}`
    browser = await openChromium('about:blank')
    const context = browser.page.context()
    await context.route(`${origin}/page`, (route) => route.fulfill({ contentType: 'text/html', body: page }))
    await context.route(
      (url) => url.pathname.startsWith('/unprotected/'),
      (route) => {
        const [contentType, body] = unprotected.get(
          new URL(route.request().url()).pathname.split('/').at(-1) ?? '',
        ) ?? ['text/plain', '']
        return route.fulfill({ contentType, body })
      },
    )
    await context.route(
      (url) => url.origin === origin && url.pathname === '/canary',
      (route) => {
        const from = decodeURIComponent(new URL(route.request().url()).search)
        if (from.endsWith('?last')) {
          hasLastRun = true
        } else {
          ran.push(from)
          tellThatOneRan()
        }
        return route.fulfill({ body: '' })
      },
    )
  })

  afterAll(async () => {
    await browser?.close()
    await worker?.stop()
  })

  /**
   * Frames do not tell that they came to nothing. But a browser fetches them before scripts and images, which have all
   * been answered here; and one that does run, and is asked for last, is heard of last.
   */
  async function untilFramesAreDone(): Promise<void> {
    const last = `${origin}/unprotected/page?last`
    hasLastRun = false
    await browser.page.evaluate(
      `void document.body.append(Object.assign(document.createElement('iframe'), { src: '${last}' }))`,
    )
    await expect.poll(() => hasLastRun, { timeout: 20_000 }).toBe(true)
  }

  /** Goes there as a click on a link does. What the server calls an attachment ends as a download. */
  async function open(url: string): Promise<void> {
    await browser.page.goto(url, { waitUntil: 'load' }).catch((error) => {
      if (!/Download is starting|ERR_ABORTED/.test(String(error))) throw error
    })
  }

  it('such files run when they are served without care', async () => {
    const urls = [...unprotected.keys()].map((name) => `${origin}/unprotected/${name}`)
    await browser.page.goto(`${origin}/page`)
    await browser.page.evaluate(`void use(${JSON.stringify(urls)})`)
    // A worker's own address is the script's, a script's that of the page that names it.
    for (const sign of [
      '/unprotected/script',
      '/unprotected/page',
      '/unprotected/drawing',
      '/unprotected/xml',
      '/page',
      '?css',
    ]) {
      await expect.poll(() => ran.join('\n'), { timeout: 20_000 }).toContain(sign)
    }
    ran = []
    await open(`${origin}/unprotected/page`)
    await expect.poll(() => ran.join('\n'), { timeout: 20_000 }).toContain('/unprotected/page')
  })

  it('no file that was accepted runs, however a page uses it', { timeout: 180_000 }, async () => {
    const urls = await uploadAll()
    expect(urls.length).toBeGreaterThan(60)
    ran = []
    for (let at = 0; at < urls.length; at += 25) {
      await browser.page.goto(`${origin}/page`)
      // A worker that runs never ends, so that its page would wait for it.
      const oneRan = new Promise<void>((resolve) => {
        tellThatOneRan = resolve
      })
      await Promise.race([browser.page.evaluate(`use(${JSON.stringify(urls.slice(at, at + 25))})`), oneRan])
      expect(ran).toEqual([])
      await untilFramesAreDone()
      expect(ran).toEqual([])
    }
    for (const url of urls) await open(url)
    await browser.page.goto(`${origin}/page`)
    await untilFramesAreDone()
    expect(ran).toEqual([])
    expect(await browser.page.context().cookies()).toEqual([])
  })

  /** Stores every file under each type that it is accepted as, and gives the addresses of the contents. */
  async function uploadAll(): Promise<string[]> {
    const urls: string[] = []
    for (const { filename, content, claims } of runnable) {
      const accepted = new Set<string>()
      for (const [declared, type] of claims) {
        if (accepted.has(type)) continue
        accepted.add(type)
        const answer = await worker.call('PUT', `/v1/uploads/${filename}`, {
          host: `${domain.host}:${worker.port}`,
          headers: declared === null ? {} : { 'content-type': declared },
          body: content,
        })
        expectStatus(answer, 202)
        urls.push(answer.json().links.content)
      }
    }
    return urls
  }
})
