import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createPlainServer } from 'node:net'
import { WebhookReceiver } from '../webhook-receiver.ts'

/** What is done with a message in place of an answer. */
export type Misbehaviour = (response: ServerResponse) => void

/** A receiver of webhooks on a real socket. */
export interface HookServer {
  receiver: WebhookReceiver
  /** `http://127.0.0.1:<port>`, also while nobody listens there. */
  url: string
  /** The next messages at a path get these, one after the other; those after them get what the receiver answers. */
  misbehave(path: string, ...next: Misbehaviour[]): void
  /** Closes the port and everything open at it: the receiver is dead. */
  close(): Promise<void>
  /** The receiver is back, at the same port. */
  listen(): Promise<void>
}

/** Starts a receiver that verifies each message with the official library. */
export async function startHookServer(): Promise<HookServer> {
  const receiver = new WebhookReceiver()
  const misbehaviours = new Map<string, Misbehaviour[]>()
  const port = await freePort()
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/'
    const body = (await request.toArray()).join('')
    const answer = await receiver.handle(path, new Headers(request.headers as Record<string, string>), body)
    const misbehaviour = misbehaviours.get(path)?.shift()
    if (misbehaviour) return misbehaviour(response)
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
  })
  const listen = () => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen()
  return {
    receiver,
    url: `http://127.0.0.1:${port}`,
    misbehave: (path, ...next) => void misbehaviours.set(path, next),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    listen,
  }
}

async function freePort(): Promise<number> {
  const server = createPlainServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
