import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { developmentAdminToken, developmentDomain } from '../../src/core/development.ts'
import { chromiumMissing } from '../support/e2e/chromium.ts'
import { type ConsolePage, openConsole } from '../support/e2e/console-page.ts'
import { expectStatus } from '../support/e2e/domains.ts'
import { eventually } from '../support/e2e/eventually.ts'
import { type HookServer, startHookServer } from '../support/e2e/hook-server.ts'
import { type LocalWorker, repository, startLocalWorker } from '../support/e2e/local-worker.ts'
import { type Resolver, startResolver, txt } from '../support/e2e/resolver.ts'

if (chromiumMissing) console.warn(`Left out, domains in the web console: ${chromiumMissing}`)

/** For what is no page of its own. */
const oneLook = ['phone-dark'] as const
const twoLooks = ['desktop-light', 'phone-dark'] as const
/** On a machine that is too busy to make a picture, the attempts after the first come 10 and 20 seconds later. */
const processingMs = 90_000
const dayMs = 24 * 3600 * 1000

describe.skipIf(chromiumMissing)('domains in the web console', () => {
  let worker: LocalWorker
  let hooks: HookServer
  let resolver: Resolver
  let console: ConsolePage
  let page: Page
  /** The domain's id, and a key that manages it: made in the console itself. */
  let domainId: string
  let managerKey: string

  beforeAll(async () => {
    resolver = await startResolver()
    hooks = await startHookServer()
    // With the token that everybody knows, in development: the page opens signed in.
    worker = await startLocalWorker({ DNS_OVER_HTTPS_URL: resolver.url, ADMIN_TOKEN: developmentAdminToken })
    console = await openConsole(`http://localhost:${worker.port}`, '#/domains')
    page = console.page
  })

  afterEach(() => {
    expect(console.complaints).toEqual([])
    expect(console.foreignRequests).toEqual([])
  })

  afterAll(async () => {
    await console?.close()
    await worker?.stop()
    await hooks?.close()
    await resolver?.stop()
  })

  async function signIn(credential: string) {
    await page.getByLabel('Key or administrator’s token').fill(credential)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('navigation', { name: 'Console' }).waitFor()
  }

  const administer = async (method: string, path: string, body?: object) => {
    const answer = await worker.call(method, path, {
      headers: {
        authorization: `Bearer ${developmentAdminToken}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    expect(answer.status, answer.body.toString()).toBeLessThan(300)
    return answer.status === 204 ? null : answer.json()
  }

  const acme = () => administer('GET', '/v1/domains/acme')
  const tab = (name: string) =>
    page.getByRole('navigation', { name: 'Domain', exact: true }).getByRole('link', { name })
  const button = (name: string, within: Page | Locator = page) => within.getByRole('button', { name })
  const dialog = () => page.getByRole('dialog')
  const panel = (name: string) => page.getByRole('region', { name })
  const saved = () => page.getByRole('status').filter({ hasText: 'Saved.' }).waitFor()

  /** The one thing that the browser is to complain of: an answer with this status. */
  const expectRefused = async (status: number) => {
    await eventually(() => expect(console.complaints).toHaveLength(1))
    expect(console.complaints.splice(0)).toEqual([expect.stringContaining(String(status))])
  }

  it('makes a domain, and says at its field what a name lacks', async () => {
    await page.getByRole('heading', { name: 'There is no domain yet' }).waitFor()
    expect(await console.lookAt('domains-empty', oneLook)).toEqual([])
    await button('New domain').first().click()
    await dialog().getByLabel('Name').fill('Acme!')
    await page.keyboard.press('Enter')
    await dialog().getByText('is no slug').waitFor()
    expect(await dialog().getByLabel('Name').getAttribute('aria-invalid')).toBe('true')
    await expectRefused(400)
    expect(await console.lookAt('domain-new', oneLook)).toEqual([])
    await dialog().getByLabel('Name').fill('acme')
    await button('Make domain').click()
    await page.getByRole('heading', { name: 'acme', level: 1 }).waitFor()
    domainId = (await acme()).id
  })

  it('changes the policy by a form that is made from its schema', async () => {
    const types = panel('What is taken')
    await page.getByLabel('Max file size', { exact: true }).fill('20')
    await page.getByLabel('Unit of Max file size').selectOption('MiB')
    await page.getByLabel('Quota size', { exact: true }).fill('1')
    await page.getByLabel('Anonymous upload').check()
    await button('Remove */*').click()
    const allowed = types.getByRole('textbox', { name: 'Allowed types' })
    await allowed.fill('image/*, application/pdf nonsense')
    await allowed.press('Enter')
    await page.getByLabel('New key').fill('invoice')
    await button('Add key').click()
    await panel('What is taken').getByLabel('Format').selectOption('integer')
    const steps = panel('Processing')
    await button('Add to steps').click()
    await steps.getByLabel('Step').nth(1).fill('image')
    await steps.getByLabel('Options').nth(1).fill('{ "variants": { "thumb": { "width": 400 } }')
    expect(await steps.getByText('This is no JSON').count()).toBe(1)
    await steps.getByLabel('Options').nth(1).fill('{ "variants": { "thumb": { "width": 400 } } }')
    await button('Up image').click()
    await button('Save').click()
    await page.getByText('“nonsense” is no media type').waitFor()
    await expectRefused(400)
    await eventually(async () =>
      expect(await allowed.evaluate('document.activeElement.id')).toBe(await allowed.getAttribute('id')),
    )
    expect(await console.lookAt('policy-refused', oneLook)).toEqual([])
    await button('Remove nonsense').click()
    await button('Save').click()
    await saved()
    expect(await acme()).toMatchObject({
      policy: {
        maxFileBytes: 20 * 1024 * 1024,
        quotaBytes: 1024 ** 3,
        maxRequestBytes: 2 * 1024 ** 3,
        anonymousUpload: true,
        allowedTypes: ['image/*', 'application/pdf'],
        metadata: { invoice: { required: true, format: 'integer', values: null } },
        steps: [{ step: 'image', options: { variants: { thumb: { width: 400 } } } }, { step: 'inspect' }],
      },
    })
    await page.reload()
    expect(await page.getByLabel('Max file size', { exact: true }).inputValue()).toBe('20')
    expect(await console.lookAt('policy')).toEqual([])
    await panel('What is taken').getByRole('button', { name: 'Remove invoice' }).click()
    await button('Save').click()
    await saved()
    expect((await acme()).policy.metadata).toEqual({})
  })

  it('makes keys that are shown once, and revokes them', async () => {
    await tab('Keys').click()
    await page.getByRole('heading', { name: 'No keys yet' }).waitFor()
    for (const { label, scope, expires } of [
      { label: 'manager', scope: 'manage', expires: 'Never' },
      { label: 'shop, production', scope: 'delete', expires: 'After 90 days' },
    ]) {
      await button('New key').click()
      await dialog().getByLabel('Label').fill(label)
      await dialog().getByLabel(scope, { exact: false }).first().check()
      await dialog().getByLabel('Expires').selectOption(expires)
      await button('Make key').click()
      const secret = dialog().locator('.secret code')
      await secret.waitFor()
      managerKey ||= (await secret.textContent()) ?? ''
      if (label === 'manager') expect(await console.lookAt('key-shown', oneLook)).toEqual([])
      await button('I have it').click()
      await page.getByRole('row').filter({ hasText: label }).waitFor()
      expect(await page.getByText(managerKey).count()).toBe(0)
    }
    expect(managerKey).toMatch(/^stv_/)
    expect(await console.lookAt('keys')).toEqual([])
    await button('Revoke shop').click()
    await dialog().getByText('can’t be taken back').waitFor()
    await button('Revoke', dialog()).click()
    await eventually(async () => expect(await page.getByRole('row').count()).toBe(2))
    expect((await administer('GET', '/v1/domains/acme/keys')).keys).toMatchObject([
      { label: 'manager', scopes: ['upload', 'read', 'manage'], expiresAt: null },
    ])
  })

  it('has endpoints told, tests them, sends again, pauses, changes and deletes them', async () => {
    await tab('Webhooks').click()
    await page.getByRole('heading', { name: 'Nobody is told yet' }).waitFor()
    await button('New endpoint').click()
    await dialog().getByLabel('Address').fill('https://10.0.0.1/hook')
    await button('Add endpoint').click()
    await dialog().getByText('a private network').waitFor()
    await expectRefused(422)
    await dialog().getByLabel('Address').fill(`${hooks.url}/hook`)
    await dialog().getByLabel('Description').fill('The shop')
    await button('Add endpoint').click()
    const secret = dialog().locator('.secret code')
    hooks.receiver.listen('/hook', (await secret.textContent()) ?? '')
    await button('I have it').click()
    await button('Send a test').click()
    const delivery = panel('Deliveries').getByRole('listitem')
    await delivery.getByText('Delivered', { exact: true }).waitFor()
    expect(hooks.receiver.at('/hook')).toMatchObject([{ type: 'webhook.test' }])
    hooks.misbehave('/hook', (response) => response.writeHead(500).end('The shop is closed.'))
    await button('Send again').click()
    await delivery.getByText('answered 500').waitFor()
    await delivery.getByText('The answer').click()
    await delivery.getByText('The shop is closed.').waitFor()
    expect(await console.lookAt('webhooks')).toEqual([])

    await button('New secret', panel('Endpoints')).click()
    await button('Make a new secret', dialog()).click()
    hooks.receiver.listen('/hook', (await secret.textContent()) ?? '')
    await button('I have it').click()
    await button('Change').click()
    await dialog().getByLabel('upload.deleted').check()
    await dialog().getByLabel('upload.failed').uncheck()
    await button('Save', dialog()).click()
    await button('Pause').click()
    await page.getByText('Paused').waitFor()
    expect(await administer('GET', '/v1/domains/acme/webhooks')).toMatchObject({
      endpoints: [
        {
          enabled: false,
          events: ['upload.complete', 'upload.quarantined', 'upload.deleted'],
          description: 'The shop',
        },
      ],
    })
    await button('Resume').click()
    await page.getByText('Active', { exact: true }).waitFor()
    const before = hooks.receiver.at('/hook').length
    await button('Send a test').click()
    await eventually(() => expect(hooks.receiver.at('/hook').length).toBeGreaterThan(before))
    expect(hooks.receiver.unverified).toEqual([])
    await button('Delete', panel('Endpoints')).click()
    await button('Delete', dialog()).click()
    await page.getByRole('heading', { name: 'Nobody is told yet' }).waitFor()
  })

  it('shows what is stored, and what came in day by day', async () => {
    await administer('PATCH', '/v1/domains/acme', { policy: { allowedTypes: ['*/*'], steps: [] } })
    // Days are counted as files come in: the oldest come first, and their day is moved back.
    const byAge = [2, 1, 0, 3, 0, 4, 0, 0, 1]
    const day = (age: number) => new Date(Date.now() - age * dayMs).toISOString().slice(0, 10)
    await worker.env.DB.prepare('DELETE FROM domain_days WHERE domain_id = ?').bind(domainId).run()
    for (const [age, count] of [...byAge.entries()].reverse()) {
      for (let made = 0; made < count; made++) {
        const body = 'x'.repeat(512 * count)
        expectStatus(await worker.call('PUT', '/v1/uploads/a.txt', { host: 'acme.localhost', body }), 202)
      }
      await worker.env.DB.prepare('UPDATE domain_days SET day = ? WHERE domain_id = ? AND day = ?')
        .bind(day(age), domainId, day(0))
        .run()
    }
    await tab('Usage').click()
    const files = byAge.reduce((sum, count) => sum + count, 0)
    await page.getByText(`${files} in 30 days`).waitFor()
    const bytes = byAge.reduce((sum, count) => sum + count * count * 512, 0)
    expect((await acme()).stored).toEqual({ files, bytes })
    expect(await page.locator('.figure').allTextContents()).toEqual([
      expect.stringContaining('15.5 KiB of 1 GiB'),
      expect.stringContaining(String(files)),
      expect.stringContaining(String(files)),
    ])
    expect(await console.lookAt('usage')).toEqual([])
    await page.locator('.switch').getByText('Bytes').click()
    await page.getByText('15.5 KiB in 30 days').waitFor()
    await page.getByText('The numbers').click()
    const rows = page.locator('.chart-table tbody tr')
    expect(await rows.count()).toBe(30)
    expect(await rows.nth(1).locator('td').allTextContents()).toEqual([expect.any(String), '1', '512 bytes'])
  })

  it('lists dead letters and sends them again', async () => {
    const upload = await worker.call('PUT', '/v1/uploads/b.txt', { host: 'acme.localhost', body: 'b' })
    const { id } = upload.json()
    await worker.env.DB.prepare(
      `INSERT INTO dead_letters (id, kind, row_id, domain_id, generation, publish, reason, created_at)
        VALUES (?, 'process', ?, ?, 1, 1, 'The queue gave it up after 5 tries: connection refused', ?)`,
    )
      .bind(uuidv7(), id, domainId, Date.now())
      .run()
    await page.getByRole('link', { name: '← Domains' }).click()
    await page.getByRole('link', { name: '1 dead letter' }).click()
    await page.getByText('connection refused').waitFor()
    expect(await console.lookAt('dead-letters')).toEqual([])
    await button('Send again').click()
    await page.getByRole('heading', { name: 'No dead letters' }).waitFor()
  })

  it('suspends, deletes and restores a domain', async () => {
    await button('Suspend').click()
    await button('Suspend', dialog()).click()
    await page.getByText('Suspended since').waitFor()
    expect((await acme()).suspendedAt).not.toBeNull()
    await administer('POST', '/v1/domains', { slug: 'harbour', hostnames: ['files.harbour.example'] })
    await page.getByRole('link', { name: '← Domains' }).click()
    const row = page.getByRole('row').filter({ hasText: 'acme' })
    await row.getByText('Suspended').waitFor()
    expect(await console.lookAt('domains')).toEqual([])
    await row.getByRole('link', { name: 'acme' }).click()
    await button('End the suspension').click()
    await button('End the suspension', dialog()).click()
    await eventually(async () => expect(await page.getByText('Suspended since').count()).toBe(0))
    await button('Delete').click()
    expect(await console.lookAt('domain-delete', oneLook)).toEqual([])
    await button('Delete', dialog()).click()
    await button('Restore acme').click()
    await page.getByRole('heading', { name: 'No domain can be restored' }).waitFor()
    expect(await acme()).toMatchObject({ suspendedAt: null, deletedAt: null })
  })

  it('shows its manager the own domain, and lets him narrow what he may', async () => {
    await button('Sign out').click()
    await signIn(managerKey)
    await page.getByRole('link', { name: 'Domain', exact: true }).click()
    await page.getByRole('heading', { name: 'acme', level: 1 }).waitFor()
    expect(await page.getByRole('link', { name: '← Domains' }).count()).toBe(0)
    expect(await tab('Dead letters').count()).toBe(0)
    expect(await page.getByLabel('Quota size', { exact: true }).isDisabled()).toBe(true)
    await page.getByLabel('Max file size', { exact: true }).fill('30')
    await button('Save').click()
    await page.getByText('is wider than what the administrator allows', { exact: true }).waitFor()
    await expectRefused(422)
    await page.getByLabel('Max file size', { exact: true }).fill('5')
    await button('Save').click()
    await saved()
    await page.getByText('Set by you: Max file size.').waitFor()
    expect(await console.lookAt('policy-of-manager', twoLooks)).toEqual([])
    expect((await acme()).policy.maxFileBytes).toBe(5 * 1024 * 1024)
    await button('Drop your settings').click()
    await button('Drop', dialog()).click()
    await eventually(async () =>
      expect(await page.getByLabel('Max file size', { exact: true }).inputValue()).toBe('20'),
    )
    await page.goto(`${new URL(page.url()).origin}/#/domains`)
    await page.getByRole('heading', { name: 'acme', level: 1 }).waitFor()
  })

  it('proves a hostname by its TXT record, and removes it', async () => {
    await tab('Hostnames').click()
    await page.getByRole('textbox', { name: 'Hostname' }).fill('not a host')
    await page.keyboard.press('Enter')
    await page.getByText('is no hostname').waitFor()
    await expectRefused(400)
    await page.getByRole('textbox', { name: 'Hostname' }).fill('files.acme.example')
    await button('Add').click()
    const entry = page.getByRole('listitem').filter({ hasText: 'files.acme.example' })
    await button('Check', entry).click()
    await entry.getByRole('alert').waitFor()
    await expectRefused(409)
    expect(await console.lookAt('hostnames')).toEqual([])
    const [name = '', value = ''] = await entry.locator('.record code').allTextContents()
    resolver.names.set(name, { records: [txt(`"${value}"`)] })
    await button('Check', entry).click()
    await entry.getByText('Active').waitFor()
    await button('Remove', entry).click()
    await button('Remove', dialog()).click()
    await page.getByRole('heading', { name: 'No hostname of its own yet' }).waitFor()
    expect((await acme()).hostnames).toEqual([])
  })

  it('opens signed in to the domain of development, and takes a first file there', async () => {
    const steps = [{ step: 'inspect' }, { step: 'image', options: { variants: { thumb: { width: 400 } } } }]
    const policy = { publicRead: true, anonymousUpload: true, steps }
    await administer('POST', '/v1/domains', { slug: developmentDomain, policy })
    const context = await page.context().browser()?.newContext()
    const newcomer = await context?.newPage()
    if (!newcomer) throw new Error('The browser has no page for the newcomer.')
    const startedAt = performance.now()
    await newcomer.goto(new URL(page.url()).origin)
    await newcomer.getByRole('heading', { name: 'There are no files yet' }).waitFor()
    await newcomer.setInputFiles('input[type=file]', join(repository, 'samples/harbour.png'))
    await newcomer.locator('tr [data-status=complete]').waitFor({ timeout: processingMs })
    const seconds = (performance.now() - startedAt) / 1000
    process.stdout.write(
      `newcomer's path: ${seconds.toFixed(1)} s from opening the page to the first processed upload\n`,
    )
    expect(new URL(newcomer.url()).hash).toBe(`#/files/${developmentDomain}`)
    await context?.close()
  })
})
