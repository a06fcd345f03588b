import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accessibilityViolations } from '../support/e2e/accessibility.ts'
import { chromiumMissing, openChromium } from '../support/e2e/chromium.ts'
import { type LocalWorker, startLocalWorker } from '../support/e2e/local-worker.ts'

let worker: LocalWorker
beforeAll(async () => {
  worker = await startLocalWorker()
})
afterAll(() => worker?.stop())

const policy = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
]

describe('the reference', () => {
  test('is served at the apex host alone, and may load and be loaded from nowhere else', async () => {
    const page = await worker.call('GET', '/docs')
    expect(page.status).toBe(200)
    expect(page.headers['content-security-policy']?.toString().split('; ')).toEqual(policy)
    expect(page.headers['cache-control']).toBe('no-cache')
    const [, script = ''] = /<script[^>]* src="([^"]+)"/.exec(page.body.toString()) ?? []
    expect(script).toMatch(/^\/reference\/.+\.js$/)
    const file = await worker.call('GET', script)
    expect(file.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    for (const target of ['/docs', script]) {
      expect((await worker.call('GET', target, { host: 'acme.localhost' })).json().code).toBe('route-not-found')
    }
    expect((await worker.call('GET', '/reference/nothing.js')).status).toBe(404)
  })

  test.skipIf(chromiumMissing)('shows every operation, asks nobody else, and bears axe', async () => {
    const { paths } = (await worker.call('GET', '/openapi.json')).json()
    const operations = Object.values<object>(paths).flatMap((path) => Object.keys(path))
    const origin = `http://localhost:${worker.port}`
    const { page, close } = await openChromium('about:blank')
    try {
      const complaints: string[] = []
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
      page.on('pageerror', (error) => complaints.push(String(error)))
      page.on('request', (request) => request.url().startsWith(origin) || complaints.push(`asked ${request.url()}`))

      await page.goto(`${origin}/docs`)
      await page.locator('.opblock').first().waitFor()
      expect(await page.locator('.opblock').count()).toBe(operations.length)
      const button = page.locator('.opblock-post .opblock-summary-control').first()
      await button.press('Enter')
      await page.locator('.opblock-post .responses-wrapper').first().waitFor()
      expect(new URL(page.url()).hash).not.toBe('')

      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 })
        expect(await accessibilityViolations(page), `${width} pixels wide`).toEqual([])
      }
      expect(complaints).toEqual([])
    } finally {
      await close()
    }
  })
})
