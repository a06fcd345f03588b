import { expect } from 'vitest'
import { expectStatus, type TestDomain } from './domains.ts'
import { eventually } from './eventually.ts'
import type { Answer } from './http.ts'
import type { LocalWorker } from './local-worker.ts'
import { RawConnection } from './raw-connection.ts'

/** One upload by the IETF draft at a domain's own host, over connections that a test may cut. */
export class ResumableUpload {
  readonly #worker: LocalWorker
  readonly #domain: TestDomain
  readonly id: string

  /** Begins one of which nothing has come yet. */
  static async begin(worker: LocalWorker, domain: TestDomain): Promise<ResumableUpload> {
    const headers = { 'upload-complete': '?0' }
    const answer = await worker.call('POST', '/v1/resumable', { host: domain.host, headers })
    expectStatus(answer, 201)
    return new ResumableUpload(worker, domain, idOf(String(answer.headers.location)))
  }

  constructor(worker: LocalWorker, domain: TestDomain, id: string) {
    this.#worker = worker
    this.#domain = domain
    this.id = id
  }

  /** Where it goes on, and whether it is complete. */
  async state(): Promise<{ offset: number; complete: unknown }> {
    const { status, headers } = await this.#worker.call('HEAD', this.#target, { host: this.#domain.host })
    expect(status).toBe(204)
    return { offset: Number(headers['upload-offset']), complete: headers['upload-complete'] }
  }

  append(offset: number, body: Uint8Array, isLast: boolean): Promise<Answer> {
    return this.#worker.call('PATCH', this.#target, {
      host: this.#domain.host,
      headers: appendHeaders(offset, isLast),
      body,
    })
  }

  /** Begins an append over a connection that the test sends bytes on, and cuts. `length` null sends it chunked. */
  async open(offset: number, length: number | null, isLast: boolean): Promise<RawConnection> {
    const connection = await RawConnection.open(this.#worker.port)
    await connection.sendHead('PATCH', this.#target, {
      Host: this.#domain.host,
      ...appendHeaders(offset, isLast),
      ...(length === null ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': length }),
    })
    return connection
  }

  /** Waits until at least this many bytes of the file have been received; asking disturbs nothing. */
  async untilReceived(bytes: number): Promise<void> {
    await eventually(async () => {
      const answer = await this.#worker.call('GET', `/v1/uploads/${this.id}/status`, { host: this.#domain.host })
      expectStatus(answer, 200)
      expect(answer.json().received?.bytes).toBeGreaterThanOrEqual(bytes)
    })
  }

  get #target(): string {
    return `/v1/resumable/${this.id}`
  }
}

/** Begins an upload with a body that the test sends, over a connection that it may cut. */
export async function openCreation(
  worker: LocalWorker,
  domain: TestDomain,
  length: number,
  complete: '?0' | '?1',
): Promise<RawConnection> {
  const connection = await RawConnection.open(worker.port)
  await connection.sendHead('POST', '/v1/resumable', {
    Host: domain.host,
    'Upload-Complete': complete,
    'Content-Length': length,
  })
  return connection
}

/** The id in the address of an upload. */
export function idOf(url: string): string {
  return new URL(url).pathname.split('/').at(-1) as string
}

function appendHeaders(offset: number, isLast: boolean) {
  return {
    'upload-offset': String(offset),
    'upload-complete': isLast ? '?1' : '?0',
    'content-type': 'application/partial-upload',
  }
}
