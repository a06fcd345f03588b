import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Locator, Page, Request, Route } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { noise, sha256 } from '../support/e2e/bodies.ts'
import { chromiumMissing } from '../support/e2e/chromium.ts'
import { type ConsolePage, openConsole } from '../support/e2e/console-page.ts'
import { expectStatus, makeDomain, type TestDomain } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { adminToken, type LocalWorker, repository, startLocalWorker } from '../support/e2e/local-worker.ts'
import { type MeddlingProxy, startMeddlingProxy } from '../support/e2e/meddling-proxy.ts'

if (chromiumMissing) console.warn(`Left out, the web console: ${chromiumMissing}`)

const mebibyte = 1024 * 1024

/** On a machine that is too busy to make a picture, the attempts after the first come 10 and 20 seconds later. */
const processingMs = 90_000
vi.setConfig({ testTimeout: 120_000 })

/** Runs in the page, whose types are not in reach here. */
const widthOf = (image: unknown) =>
  (image as { decode(): Promise<void> }).decode().then(() => (image as { naturalWidth: number }).naturalWidth)

/** One pixel, in ASCII. */
const smallestPicture = 'GIF89a\x01\x00\x01\x00\x00\x00\x00;'

/** For what is no page of its own. */
const twoLooks = ['desktop-light', 'phone-dark'] as const

const policy = {
  anonymousUpload: false,
  publicRead: false,
  allowedTypes: ['image/*', 'video/*', 'application/pdf', 'application/octet-stream'],
  steps: [
    { step: 'inspect' },
    { step: 'image', options: { variants: { thumb: { width: 400, height: 300, fit: 'cover' } } } },
  ],
}

describe.skipIf(chromiumMissing)('the web console', () => {
  let worker: LocalWorker
  let network: MeddlingProxy
  let console: ConsolePage
  let page: Page
  let domain: TestDomain
  let shelf: TestDomain
  let key: string
  let folder: string

  let bytesUntilSilent = Number.POSITIVE_INFINITY
  const silent = new Set<number>()
  /** By connections, since the last call of `silenceAfter`: the browser uses them again. */
  const bytesToServer = new Map<number, number>()
  /** From now on a connection brings this many bytes to the server, and is silent after them for good. */
  const silenceAfter = (bytes: number) => {
    bytesUntilSilent = bytes
    bytesToServer.clear()
  }
  /** The offsets at which the page's appends began, in their order. */
  const appendedAt: number[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stevedore-console-files-'))
    worker = await startLocalWorker()
    network = await startMeddlingProxy(worker.port, {
      toServer: (chunk, { index }) => {
        const before = bytesToServer.get(index) ?? 0
        bytesToServer.set(index, before + chunk.length)
        if (before >= bytesUntilSilent) silent.add(index)
        return silent.has(index) ? Buffer.alloc(0) : chunk
      },
    })
    domain = await makeDomain(worker, policy)
    key = (await makeKey()).key
    console = await openConsole(`http://localhost:${new URL(network.url).port}`)
    page = console.page
    page.on('request', (request) => {
      if (request.method() === 'PATCH') appendedAt.push(Number(request.headers()['upload-offset']))
    })
  })

  afterAll(async () => {
    await console?.close()
    await network?.close()
    await worker?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const asAdministrator = (method: string, path: string, body?: unknown) =>
    worker.call(method, path, {
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  async function makeKey(scopes = ['upload', 'read', 'delete', 'manage']): Promise<{ id: string; key: string }> {
    const made = await asAdministrator('POST', `/v1/domains/${domain.slug}/keys`, { scopes })
    expectStatus(made, 201)
    return made.json()
  }

  /** A row of the list, a file of the queue. */
  const row = (name: string): Locator => page.getByRole('row').filter({ hasText: name })
  const queued = (name: string): Locator => page.locator('.queue-item').filter({ hasText: name })
  const statusOf = (name: string) => row(name).locator('[data-status]').getAttribute('data-status', { timeout: 1000 })

  const untilStatus = (name: string, status: string) =>
    eventually(async () => expect(await statusOf(name)).toBe(status), processingMs)

  /** Waits until the server has so much of a file that is being sent, and gives how much that is. */
  const untilReceived = (name: string, bytes: number): Promise<number> =>
    eventually(async () => {
      const open = await worker.env.DB.prepare('SELECT id FROM uploaded_files WHERE filename = ?')
        .bind(name)
        .first<{ id: string }>()
      const status = await worker.call('GET', `/v1/uploads/${open?.id}/status`, {
        host: domain.host,
        headers: { authorization: `Bearer ${adminToken}` },
      })
      expect(status.json().received?.bytes).toBeGreaterThanOrEqual(bytes)
      return status.json().received.bytes
    })

  /** Notes every state that a file of the queue, or a file of the list, is ever shown in: `harbour.png sending`. */
  async function noteStates(): Promise<void> {
    await page.evaluate(`
      window.seen = new Set()
      new MutationObserver(() => {
        for (const item of document.querySelectorAll('.queue-item')) {
          const { textContent } = item.querySelector('.queue-item-name')
          seen.add(textContent + ' ' + item.dataset.state)
          if (item.querySelector('progress')) seen.add(textContent + ' has progress')
        }
        for (const badge of document.querySelectorAll('tr [data-status]'))
          seen.add(badge.closest('tr').querySelector('a').textContent + ' ' + badge.dataset.status)
      }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true })
    `)
  }

  const seenStates = () => page.evaluate<string[]>('[...seen]')

  /** Drops files of this disk on the page, as a hand does. */
  async function drop(...files: { path: string; name: string; type: string }[]): Promise<void> {
    const contents = await Promise.all(
      files.map(async ({ path, name, type }) => ({ name, type, base64: await readFile(path, 'base64') })),
    )
    await page.evaluate(`{
      const dataTransfer = new DataTransfer()
      for (const { name, type, base64 } of ${JSON.stringify(contents)})
        dataTransfer.items.add(new File([Uint8Array.fromBase64(base64)], name, { type, lastModified: 1 }))
      for (const kind of ['dragover', 'drop'])
        document.querySelector('.drop-zone').dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer }))
    }`)
  }

  /** Ends the session that there is, and begins another. */
  async function signInAs(credential: string): Promise<void> {
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Key or administrator’s token').fill(credential)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('navigation', { name: 'Console' }).waitFor()
  }

  const sample = (name: string, type: string) => ({ path: join(repository, 'samples', name), name, type })

  it('asks for a key, says when it is none, and lets who has one in', async () => {
    await page.getByLabel('Key or administrator’s token').fill('stv_nobody')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').filter({ hasText: 'not known here' }).waitFor()
    expect.soft(await console.lookAt('sign-in')).toEqual([])
    await page.getByLabel('Key or administrator’s token').fill(key)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'There are no files yet' }).waitFor()
    expect(await page.evaluate('localStorage.length')).toBe(0)
    expect(console.complaints.splice(0)).toEqual([expect.stringContaining('401')])
  })

  it('takes three dropped files, and follows each to its end', async () => {
    await page.locator('.live-sign.on').waitFor()
    await noteStates()
    await page.getByText('Metadata for the next files').click()
    await page.getByRole('button', { name: 'Add a key' }).click()
    await page.getByLabel('Key 1').fill('berth')
    await page.getByLabel('Value 1').fill('Northern quay, 4')
    const names = ['harbour.png', 'handbook.pdf', 'crossing.mp4']
    await drop(
      sample('harbour.png', 'image/png'),
      sample('handbook.pdf', 'application/pdf'),
      sample('crossing.mp4', 'video/mp4'),
    )
    for (const name of names) await untilStatus(name, 'complete')
    await page.getByText('3 of 3 sent').waitFor()
    const seen = await seenStates()
    for (const name of names) {
      expect(seen).toEqual(expect.arrayContaining([`${name} has progress`, `${name} sending`, `${name} sent`]))
    }
    const thumbnail = row('harbour.png').locator('img')
    // It is fetched when it is seen.
    await row('harbour.png').scrollIntoViewIfNeeded()
    await thumbnail.waitFor()
    expect(await thumbnail.evaluate(widthOf)).toBe(400)
    expect.soft(await console.lookAt('files')).toEqual([])
    await page.getByText('Grid', { exact: true }).click()
    await page.locator('.file-card').filter({ hasText: 'harbour.png' }).scrollIntoViewIfNeeded()
    await page.locator('.file-card img').waitFor()
    expect.soft(await console.lookAt('grid')).toEqual([])
    await page.getByText('Table', { exact: true }).click()
  })

  it('says why a file is refused', async () => {
    const path = join(folder, 'notes.txt')
    await writeFile(path, 'These are notes.\n')
    await page.setInputFiles('input[type=file]', path)
    await queued('notes.txt').getByRole('alert').waitFor()
    expect(await queued('notes.txt').getByRole('alert').textContent()).toBe(
      'This kind of file is not taken here. Taken are image/*, video/*, application/pdf, application/octet-stream.',
    )
    expect(await queued('notes.txt').getByRole('button').count()).toBe(0)
    // Chosen again it is a new try, and not passed over.
    await page.setInputFiles('input[type=file]', path)
    await eventually(() => expect(console.complaints).toHaveLength(2))
    await queued('notes.txt').getByRole('alert').waitFor()
    await page.getByRole('button', { name: 'Clear finished' }).click()
    expect(await page.locator('.queue-item').count()).toBe(0)
    expect(console.complaints.splice(0)).toEqual([expect.stringContaining('415'), expect.stringContaining('415')])
  })

  it('goes on with a large file where it was when the page was loaded anew', async () => {
    const bytes = noise(12 * mebibyte)
    const path = join(folder, 'cargo.bin')
    await writeFile(path, bytes)
    silenceAfter(7 * mebibyte)
    await page.setInputFiles('input[type=file]', path)
    const received = await untilReceived('cargo.bin', 6 * mebibyte)
    expect(await queued('cargo.bin').getAttribute('data-state')).toBe('sending')
    silenceAfter(Number.POSITIVE_INFINITY)
    appendedAt.length = 0
    await page.reload()
    await page.getByRole('heading', { name: 'Not finished' }).waitFor()
    expect(await queued('cargo.bin').textContent()).toMatch(/[67]\.\d MB of 12\.6 MB/)
    expect.soft(await console.lookAt('unfinished', twoLooks)).toEqual([])
    const [chooser] = await Promise.all([
      page.waitForEvent('filechooser'),
      page.getByRole('button', { name: 'Choose again: cargo.bin' }).click(),
    ])
    expect(await statusOf('cargo.bin')).toBe('uploading')
    await chooser.setFiles(path)
    await untilStatus('cargo.bin', 'complete')
    expect(appendedAt).toEqual([expect.any(Number)])
    expect(appendedAt[0]).toBeGreaterThanOrEqual(received)
    await page.getByRole('button', { name: 'Clear finished' }).click()
    await queued('cargo.bin').waitFor({ state: 'detached' })
    expect(await page.getByRole('heading', { name: 'Not finished' }).count()).toBe(0)
    await row('cargo.bin').getByRole('link').click()
    await page.getByText(sha256(bytes), { exact: true }).waitFor()
    await page.getByRole('link', { name: '← Files' }).click()
  })

  it('pauses an upload, goes on with it where it was, and cancels another', async () => {
    const paths = ['ballast.bin', 'anchor.bin'].map((name) => join(folder, name))
    for (const path of paths) await writeFile(path, noise(9 * mebibyte))
    silenceAfter(3 * mebibyte)
    await page.setInputFiles('input[type=file]', paths)
    const [item, cancelled] = [queued('ballast.bin'), queued('anchor.bin')]
    await untilReceived('anchor.bin', 2 * mebibyte)
    await cancelled.getByRole('button', { name: 'Cancel anchor.bin' }).click()
    await eventually(async () => {
      expect(await cancelled.count()).toBe(0)
      expect(await row('anchor.bin').count()).toBe(0)
    })
    await untilReceived('ballast.bin', 2 * mebibyte)
    const stopped = page.waitForEvent('requestfailed', (request) => request.method() === 'PATCH')
    await item.getByRole('button', { name: 'Pause ballast.bin' }).click()
    await stopped
    appendedAt.length = 0
    silenceAfter(Number.POSITIVE_INFINITY)
    // What was on its way has ended, and nothing else begins: the server keeps what it has.
    await eventually(async () => expect(await item.getAttribute('data-state')).toBe('paused'))
    const received = await untilReceived('ballast.bin', 2 * mebibyte)
    expect(await item.textContent()).toContain('Paused')
    expect(await untilReceived('ballast.bin', 2 * mebibyte)).toBe(received)
    expect(appendedAt).toEqual([])
    await item.getByRole('button', { name: 'Resume ballast.bin' }).click()
    await untilStatus('ballast.bin', 'complete')
    expect(appendedAt).toEqual([expect.any(Number)])
    expect(appendedAt[0]).toBeGreaterThanOrEqual(received)
  })

  it('lets a key that may only upload go on, and says when an upload could not be discarded', async () => {
    await signInAs((await makeKey(['upload'])).key)
    await page.getByText('It may upload.').waitFor()
    const path = join(folder, 'crate.bin')
    await writeFile(path, noise(4 * mebibyte))
    silenceAfter(2 * mebibyte)
    await page.setInputFiles('input[type=file]', path)
    await untilReceived('crate.bin', mebibyte)
    silenceAfter(Number.POSITIVE_INFINITY)
    await page.reload()
    const discard = page.getByRole('button', { name: 'Discard crate.bin' })
    await discard.waitFor()
    await page.route('**/v1/tus/*', (route) => route.abort(), { times: 1 })
    await discard.click()
    await page.getByRole('alert').filter({ hasText: 'could not be reached' }).waitFor()
    expect(console.complaints.splice(0)).toEqual([expect.stringContaining('ERR_FAILED')])
    await discard.click()
    await page.getByRole('heading', { name: 'Not finished' }).waitFor({ state: 'detached' })
    await page.reload()
    await page.getByText('It may upload.').waitFor()
    expect(await page.evaluate('Object.keys(localStorage)')).toEqual([])
    await signInAs(key)
  })

  it('shows the files that a filter asks for, also when the page is loaded anew', async () => {
    await page.getByLabel('Type').selectOption('Pictures')
    await row('handbook.pdf').waitFor({ state: 'detached' })
    await row('harbour.png').waitFor()
    await page.reload()
    await row('harbour.png').waitFor()
    expect(await page.getByRole('row').count()).toBe(2)
    await page.getByLabel('Status').selectOption('Failed')
    await page.getByRole('heading', { name: 'No file is like that' }).waitFor()
    await page.getByRole('button', { name: 'Show all' }).click()
    await row('handbook.pdf').waitFor()
  })

  it('shows more pages of a long list, keeps them while new files come in, and asks for the pictures that are seen', async () => {
    shelf = await makeDomain(worker, { anonymousUpload: false, steps: [] })
    const shelve = async (names: string[]) => {
      const parts = names.map(
        (name) => `--x\r\nContent-Disposition: form-data; name=f; filename=${name}\r\n\r\n${smallestPicture}\r\n`,
      )
      const answer = await worker.call('POST', '/v1/uploads', {
        host: shelf.host,
        headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'multipart/form-data; boundary=x' },
        body: `${parts.join('')}--x--\r\n`,
      })
      expectStatus(answer, 202)
    }
    await shelve(Array.from({ length: 60 }, (_, index) => `file-${index}.gif`))
    const asked = new Set<string>()
    const underWay = new Set<Request>()
    let mostUnderWay = 0
    const note = (request: Request) => {
      if (!/\/v1\/uploads\/[0-9a-f-]{36}\?/.test(request.url())) return
      asked.add(request.url())
      mostUnderWay = Math.max(mostUnderWay, underWay.add(request).size)
    }
    page.on('request', note)
    page.on('requestfinished', (request) => underWay.delete(request))
    await signInAs(adminToken)
    await page.goto(`${page.url().split('#')[0]}#/files/${shelf.slug}`)
    await page.locator('.live-sign.on').waitFor()
    const rows = page.locator('tbody tr')
    await eventually(async () => expect(await rows.count()).toBe(50))
    await eventually(() => expect(asked.size).toBeGreaterThan(0))
    expect(asked.size).toBeLessThan(50)
    await page.getByRole('button', { name: 'Show more' }).click()
    await eventually(async () => expect(await rows.count()).toBe(60))
    expect(await page.getByRole('button', { name: 'Show more' }).count()).toBe(0)
    await shelve(['newest.gif'])
    await row('newest.gif').waitFor()
    expect(await rows.count()).toBe(61)
    const askedBefore = asked.size
    await rows.last().scrollIntoViewIfNeeded()
    await eventually(() => expect(asked.size).toBeGreaterThan(askedBefore))
    expect(mostUnderWay).toBeLessThanOrEqual(6)
    page.off('request', note)
    await signInAs(key)
    await row('harbour.png').waitFor()
  })

  it('asks for no picture any more once the session has ended', async () => {
    const held: Route[] = []
    const hold = (route: Route) => void held.push(route)
    const ofShelf = new RegExp(`/v1/uploads/[0-9a-f-]{36}\\?.*domain=${shelf.slug}`)
    await signInAs(adminToken)
    await page.route(ofShelf, hold)
    // More rows are seen than pictures are asked for at once.
    await page.setViewportSize({ width: 1280, height: 1800 })
    await page.goto(`${page.url().split('#')[0]}#/files/${shelf.slug}`)
    await eventually(() => expect(held.length).toBe(6))
    await signInAs(key)
    await page.goto(`${page.url().split('#')[0]}#/files/${domain.slug}`)
    await row('harbour.png').waitFor()
    for (const route of held.splice(0)) await route.fulfill({ json: { variants: [] } }).catch(() => {})
    // Whatever they make way for is asked for before this.
    await page.evaluate("fetch('/healthz').then((answer) => answer.text())")
    expect(held).toEqual([])
    await page.unroute(ofShelf, hold)
  })

  it('says everything about a file, gives it back, processes it again, and deletes it', async () => {
    await row('harbour.png').getByRole('link').click()
    await page.locator('.preview img').waitFor()
    for (const step of ['inspect', 'image']) await page.getByRole('heading', { name: step, exact: true }).waitFor()
    await page.locator('summary').first().click()
    expect(await page.getByRole('region', { name: 'Metadata' }).textContent()).toBe('MetadataberthNorthern quay, 4')
    expect.soft(await console.lookAt('file')).toEqual([])

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ])
    expect(download.suggestedFilename()).toBe('harbour.png')
    expect(sha256(await readFile(await download.path()))).toBe(
      sha256(await readFile(join(repository, 'samples/harbour.png'))),
    )

    await page.getByRole('button', { name: 'Process again' }).click()
    await page.getByText('in pass 2').waitFor()
    await eventually(
      async () => expect(await page.locator('.page-head [data-status]').getAttribute('data-status')).toBe('complete'),
      processingMs,
    )

    await page.getByRole('button', { name: 'Delete' }).click()
    expect.soft(await console.lookAt('delete', twoLooks)).toEqual([])
    await page.keyboard.press('Escape')
    expect(await page.getByRole('dialog').count()).toBe(0)
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await row('handbook.pdf').waitFor()
    expect(await row('harbour.png').count()).toBe(0)
  })

  it('asks nothing about a domain that the key is not for, and leads back to its own', async () => {
    for (const place of ['files/elsewhere', 'files/elsewhere/0', 'domains/elsewhere/keys']) {
      await page.goto(`${page.url().split('#')[0]}#/${place}`)
      await page.getByRole('heading', { name: 'This key is not for elsewhere' }).waitFor()
    }
    await page.getByRole('link', { name: `To ${domain.slug}` }).click()
    await page.locator('.live-sign.on').waitFor()
    expect(console.complaints).toEqual([])
  })

  it('leads a key that only manages to its domain', async () => {
    await signInAs((await makeKey(['manage'])).key)
    await page.getByRole('heading', { name: domain.slug, level: 1 }).waitFor()
    expect(await page.getByRole('link', { name: 'Files' }).count()).toBe(0)
    await signInAs(key)
    await page.locator('.live-sign.on').waitFor()
  })

  it('asks again for a stream of events that was refused', async () => {
    const later = await page.context().browser()?.newPage()
    if (!later) throw new Error('The browser has no further page.')
    await later.clock.install()
    await later.route('**/v1/events*', (route) => route.fulfill({ status: 500 }), { times: 1 })
    await later.goto(page.url().split('#')[0] ?? '')
    await later.getByLabel('Key or administrator’s token').fill(key)
    const refused = later.waitForResponse((answer) => answer.url().includes('/v1/events') && answer.status() === 500)
    await later.keyboard.press('Enter')
    await refused
    await later.getByText('Connecting …').waitFor()
    await later.clock.fastForward(31_000)
    await later.locator('.live-sign.on').waitFor()
    await later.close()
  })

  it('is used by keyboard', async () => {
    await page.reload()
    await row('handbook.pdf').waitFor()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('main')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Choose files')
    const choosing = page.waitForEvent('filechooser')
    // The browser is told to hand the choice over before the key is pressed.
    await page.evaluate('0')
    await page.keyboard.press('Enter')
    expect((await choosing).isMultiple()).toBe(true)
  })

  it('ends the session when the key has been revoked', async () => {
    const { id: keyId, key } = await makeKey()
    await signInAs(key)
    await row('handbook.pdf').getByRole('link').click()
    await page.getByRole('button', { name: 'Process again' }).waitFor()
    expectStatus(await asAdministrator('DELETE', `/v1/domains/${domain.slug}/keys/${keyId}`), 204)
    await page.getByRole('button', { name: 'Process again' }).click()
    await page.getByRole('alert').filter({ hasText: 'not known any more' }).waitFor()
    expect(console.complaints.splice(0)).toEqual([expect.stringContaining('401')])
  })

  it('forgets the key when one signs out', async () => {
    await page.getByLabel('Key or administrator’s token').fill(key)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in to Stevedore' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Sign in to Stevedore' }).waitFor()
    expect(await page.evaluate('JSON.stringify([{ ...sessionStorage }, { ...localStorage }])')).not.toContain(key)
  })

  it('has asked nobody else for anything, and given the browser nothing to complain of', () => {
    expect(console.foreignRequests).toEqual([])
    expect(console.complaints).toEqual([])
  })
})
