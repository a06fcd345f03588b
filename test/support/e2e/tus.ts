import { expect } from 'vitest'
import { expectStatus, type TestDomain } from './domains.ts'
import { eventually } from './eventually.ts'
import type { Answer, Call } from './http.ts'
import type { LocalWorker } from './local-worker.ts'
import { RawConnection } from './raw-connection.ts'

export const tusResumable = { 'tus-resumable': '1.0.0' }

/** One upload by tus at a domain's own host, over connections that a test may cut. */
export class TusUpload {
  readonly #worker: LocalWorker
  readonly #domain: TestDomain
  readonly id: string

  static async create(worker: LocalWorker, domain: TestDomain, length: number): Promise<TusUpload> {
    const headers = { ...tusResumable, 'upload-length': String(length) }
    const answer = await worker.call('POST', '/v1/tus', { host: domain.host, headers })
    expectStatus(answer, 201)
    return new TusUpload(worker, domain, new URL(String(answer.headers.location)).pathname.split('/').at(-1) as string)
  }

  constructor(worker: LocalWorker, domain: TestDomain, id: string) {
    this.#worker = worker
    this.#domain = domain
    this.id = id
  }

  head(): Promise<Answer> {
    return this.#call('HEAD', { headers: tusResumable })
  }

  /** Where it goes on, as `HEAD` says. */
  async offset(): Promise<number> {
    const answer = await this.head()
    expectStatus(answer, 200)
    return Number(answer.headers['upload-offset'])
  }

  patch(offset: number, body: Uint8Array): Promise<Answer> {
    return this.#call('PATCH', { headers: this.#patchHeaders(offset), body })
  }

  terminate(): Promise<Answer> {
    return this.#call('DELETE', { headers: tusResumable })
  }

  /** Begins an append over a connection that the test sends bytes on, and cuts. `length` null sends it chunked. */
  async open(offset: number, length: number | null): Promise<RawConnection> {
    const connection = await RawConnection.open(this.#worker.port)
    await connection.sendHead('PATCH', `/v1/tus/${this.id}`, {
      Host: this.#domain.host,
      ...this.#patchHeaders(offset),
      ...(length === null ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': length }),
    })
    return connection
  }

  /** What the status call says, which disturbs nothing. */
  async status() {
    const answer = await this.#worker.call('GET', `/v1/uploads/${this.id}/status`, { host: this.#domain.host })
    expectStatus(answer, 200)
    return answer.json()
  }

  /** Waits until this many bytes of the file have been received. */
  async untilReceived(bytes: number): Promise<void> {
    await eventually(async () => expect((await this.status()).received?.bytes).toBe(bytes))
  }

  #patchHeaders(offset: number) {
    return { ...tusResumable, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' }
  }

  #call(method: string, call: Call): Promise<Answer> {
    return this.#worker.call(method, `/v1/tus/${this.id}`, { host: this.#domain.host, ...call })
  }
}
