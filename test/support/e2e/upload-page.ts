import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import { repository } from './local-worker.ts'

/** An application's page on a port, and so an origin, of its own. */
export interface UploadPage {
  origin: string
  close(): void
}

/** Serves upload-page.html with the clients that it uses: tus-js-client as it is published, and Uppy, bundled. */
export async function serveUploadPage(): Promise<UploadPage> {
  const files = new Map<string, [type: string, content: string | Uint8Array]>([
    ['/', ['text/html', await readFile(join(import.meta.dirname, 'upload-page.html'))]],
    ['/tus.js', ['text/javascript', await readFile(join(repository, 'node_modules/tus-js-client/dist/tus.min.js'))]],
    ['/uppy.js', ['text/javascript', await bundleUppy()]],
  ])
  const server = createServer((request, response) => {
    const [type, content] = files.get(request.url ?? '') ?? []
    if (type) response.writeHead(200, { 'content-type': type }).end(content)
    else response.writeHead(404).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Uppy and its tus plugin, as one script that a page can name. */
async function bundleUppy(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { Uppy } from '@uppy/core'; export { default as Tus } from '@uppy/tus'`,
      resolveDir: repository,
    },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'Uppy',
    logLevel: 'error',
  })
  return outputFiles[0]!.contents
}
