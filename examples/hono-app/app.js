import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { StevedoreClient, verifyWebhook, WebhookVerificationError } from 'stevedore/client'

// An application: it gives its users upload tokens, and is told by webhooks what became of their files.

const {
  STEVEDORE_URL: url = 'http://localhost:8787',
  STEVEDORE_KEY: key = 'dev-admin-token',
  STEVEDORE_DOMAIN: domain = 'demo',
  PORT = '3000',
} = process.env

const stevedore = new StevedoreClient({ url, key, domain })

/** What is known of the files: by the upload's id, with the number of the last event that counted. */
const files = new Map()

const app = new Hono()

app.post('/upload-token', async (c) => {
  // Here the application looks who asks, and what that one may upload.
  const { token, expiresAt } = await stevedore.createUploadToken({
    types: ['image/*', 'text/plain'],
    maxFileBytes: 50_000_000,
    uses: 10,
    metadata: { user: 'anna' },
  })
  return c.json({ url, domain, token, expiresAt })
})

app.post('/hooks', async (c) => {
  try {
    const { type, data } = await verifyWebhook(c.req.raw, await secret)
    if ('upload' in data) {
      // A message may come twice, and after a later one: the number of its event says so.
      const { number = 0 } = files.get(data.id) ?? {}
      if (data.number > number) files.set(data.id, { number: data.number, type, filename: data.upload.filename })
      console.log(`${type} ${data.upload.filename}, of ${data.upload.metadata.user ?? 'nobody'}`)
    }
    return c.body(null, 204)
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error
    return c.text(error.message, 401)
  }
})

app.get('/files', (c) => c.json(Object.fromEntries(files)))

/** The endpoint's secret: an operator makes the endpoint once, and sets WEBHOOK_SECRET; here that is done at each start. */
async function makeEndpoint() {
  const path = `/v1/domains/${domain}/webhooks`
  const hooks = `http://127.0.0.1:${PORT}/hooks`
  const { endpoints } = await stevedore.call('GET', path)
  for (const { id } of endpoints.filter((endpoint) => endpoint.url === hooks)) {
    await stevedore.call('DELETE', `${path}/${id}`)
  }
  return (await stevedore.call('POST', path, { json: { url: hooks } })).secret
}

const secret = process.env.WEBHOOK_SECRET ?? makeEndpoint()

serve({ fetch: app.fetch, port: Number(PORT), hostname: '127.0.0.1' }, async () => {
  await secret
  console.log(`Ready at http://localhost:${PORT}`)
})
