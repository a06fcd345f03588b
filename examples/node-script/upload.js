import { openAsBlob } from 'node:fs'
import { basename } from 'node:path'
import { StevedoreClient, StevedoreError } from 'stevedore/client'

// Uploads the files that it is given, and says what became of each.

const {
  STEVEDORE_URL: url = 'http://localhost:8787',
  STEVEDORE_KEY: key = 'dev-admin-token',
  STEVEDORE_DOMAIN: domain = 'demo',
} = process.env

const stevedore = new StevedoreClient({ url, key, domain })

for (const path of process.argv.slice(2)) {
  try {
    const upload = await stevedore.upload(await openAsBlob(path), {
      filename: basename(path),
      metadata: { from: 'node-script' },
      onProgress: ({ sentBytes, totalBytes }) => console.error(`${path}: ${sentBytes} of ${totalBytes} bytes`),
    })
    const { status, failure } = await stevedore.wait(upload, { timeoutMs: 60_000 })
    console.log(`${path}: ${upload.id} ${upload.type} ${status}${failure ? `, ${failure.detail}` : ''}`)
  } catch (error) {
    if (!(error instanceof StevedoreError)) throw error
    console.error(`${path}: refused, ${error.code}: ${error.detail}`)
    process.exitCode = 1
  }
}
