import { Buffer } from 'node:buffer'
import { expect } from 'vitest'
import { sha256 } from '../e2e/bodies.ts'
import { call, type TestDomain, waitForStatus } from './client.ts'

/** Waits until a file is complete, holds it against these bytes, and gives what is told of it. */
export async function expectFile(domain: TestDomain, id: string, bytes: Uint8Array) {
  const found = await waitForStatus(domain, id)
  expect(found).toMatchObject({ size: bytes.length, sha256: sha256(bytes) })
  const content = await call('GET', `${domain.origin}/v1/uploads/${id}/content`)
  expect(Buffer.compare(content.bytes, bytes)).toBe(0)
  return found
}
