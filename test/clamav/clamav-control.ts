import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { ClamdServer } from './clamd-server.ts'
import { type Behaviour, startFaultyProxy } from './faulty-proxy.ts'

/** What `POST /proxy` is sent: which daemon, and what is wrong with the way there. */
export interface ProxyWish extends Behaviour {
  daemon: 'large' | 'small'
}

/**
 * Real daemons, and a server by which tests that run in the Worker's runtime say what becomes of them: `POST /proxy`
 * makes a way to one, `POST /start` starts again what was killed.
 */
export async function startClamavControl(signatures: Record<string, string>) {
  const large = await ClamdServer.start(signatures, ['StreamMaxLength 200M', 'MaxFileSize 200M', 'MaxScanSize 400M'])
  const small = await ClamdServer.start(signatures, ['StreamMaxLength 1M', 'MaxFileSize 512K', 'AlertExceedsMax yes'])
  const daemons = { large, small }
  const proxies: Server[] = []
  const control = createServer(async (request, response) => {
    if (request.url === '/proxy') {
      const { daemon, ...behaviour } = (await readJson(request)) as ProxyWish
      const { port, server } = await startFaultyProxy(daemons[daemon], behaviour)
      proxies.push(server)
      response.end(JSON.stringify({ port }))
    } else {
      await large.run()
      response.end('{}')
    }
  })
  await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(control.address() as AddressInfo).port}`,
    async stop() {
      for (const server of [control, ...proxies]) server.close()
      control.closeAllConnections()
      await Promise.all([large.stop(), small.stop()])
    },
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece)
  return JSON.parse(Buffer.concat(pieces).toString())
}
