import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { StevedoreClient } from 'stevedore/client'

// Serves the page, the client's ready-made module, and a token for each upload.

const {
  STEVEDORE_URL: url = 'http://localhost:8787',
  STEVEDORE_KEY: key = 'dev-admin-token',
  STEVEDORE_DOMAIN: domain = 'demo',
  PORT = '3001',
} = process.env

const stevedore = new StevedoreClient({ url, key, domain })

const server = createServer(async (request, response) => {
  const { method, url: path = '/' } = request
  const [, module] = /^\/stevedore\/([\w.-]+\.js)$/.exec(path) ?? []
  try {
    if (method === 'GET' && path === '/') {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.end(await readFile(new URL('index.html', import.meta.url)))
    } else if (method === 'GET' && module) {
      const file = new URL(import.meta.resolve(`stevedore/client/browser/${module}`))
      response.setHeader('content-type', 'text/javascript')
      response.end(await readFile(file))
    } else if (method === 'POST' && path === '/upload-token') {
      // Here an application looks who asks, and what that one may upload.
      const { token } = await stevedore.createUploadToken({
        maxFileBytes: 1024 ** 3,
        // A request whose answer is lost may have used one up.
        uses: 3,
        metadata: { user: 'anna' },
      })
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ url, domain, token }))
    } else {
      response.writeHead(404).end()
    }
  } catch (error) {
    console.error(error)
    response.writeHead(500).end()
  }
})

server.listen(Number(PORT), '127.0.0.1', async () => {
  const origin = `http://localhost:${PORT}`
  // Pages of this origin may use the domain. An operator says so once.
  const { policy } = await stevedore.call('GET', `/v1/domains/${domain}`)
  if (!policy.allowedOrigins.includes(origin)) {
    const allowedOrigins = [...policy.allowedOrigins, origin]
    await stevedore.call('PATCH', `/v1/domains/${domain}`, { json: { policy: { allowedOrigins } } })
  }
  console.log(`Open ${origin}`)
})
