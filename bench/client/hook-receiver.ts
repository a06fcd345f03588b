import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Takes webhooks and says when they have come. It verifies nothing: that is not what is measured. */
export interface HookReceiver {
  url: string
  /** Resolves with the time (`performance.now()`) at which so many messages have come since it was called. */
  gets(count: number): Promise<number>
  close(): void
}

export async function receiveHooks(): Promise<HookReceiver> {
  let came: () => void = () => {}
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      came()
      response.writeHead(204).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    gets: (count) =>
      new Promise((resolve) => {
        let left = count
        came = () => {
          if (--left === 0) resolve(performance.now())
        }
      }),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
