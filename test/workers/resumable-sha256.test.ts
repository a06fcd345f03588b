import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ResumableSha256 } from '../../src/ingest/resumable-sha256.ts'
import { noise } from '../support/e2e/bodies.ts'

const native = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('says of any bytes what the native hash says, however they are cut, and wherever its state is written down', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat({ max: 150 }), { maxLength: 8 }), (bytes, cuts) => {
      let hash = new ResumableSha256()
      let at = 0
      for (const cut of [...cuts, bytes.length]) {
        hash.update(bytes.subarray(at, at + cut))
        at += cut
        hash = new ResumableSha256(JSON.parse(JSON.stringify(hash.save())))
      }
      expect(hash.digest().toHex()).toBe(native(bytes))
    }),
    { numRuns: 500 },
  )
})

test('two that take turns keep apart, and pieces larger than the module’s memory are taken', () => {
  const [one, two] = [noise(200_001), noise(70_000).reverse()]
  const [first, second] = [new ResumableSha256(), new ResumableSha256()]
  first.update(one.subarray(0, 100))
  second.update(two.subarray(0, 65_600))
  first.update(one.subarray(100))
  second.update(two.subarray(65_600))
  expect([first.digest().toHex(), second.digest().toHex()]).toEqual([native(one), native(two)])
})
