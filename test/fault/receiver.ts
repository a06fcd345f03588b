import { accept, WebhookReceiver } from '../support/webhook-receiver.ts'
import type { FetchedService } from './watched-fetch.ts'

/** Who is told in the lives of a sweep: a new receiver for each of them. */
export class StageReceiver implements FetchedService {
  readonly url = 'https://receiver.example'
  #receiver = new WebhookReceiver()

  get messages(): WebhookReceiver {
    return this.#receiver
  }

  /** Forgets everything that has come, and everybody who listens. */
  clear(): void {
    this.#receiver = new WebhookReceiver()
  }

  /** Takes what is signed with this secret; `status` is its answer to everything. */
  listen(path: string, secret: string, status?: number): void {
    this.#receiver.listen(path, secret, status === undefined ? accept : () => new Response(null, { status }))
  }

  nameOf(path: string): string {
    return `Receiver ${path}`
  }

  fetch(path: string, { headers, body }: { headers: Headers; body: string }): Promise<Response> {
    return this.#receiver.handle(path, headers, body)
  }
}
