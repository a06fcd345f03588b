import { describe, expect, test, vi } from 'vitest'
import { formBody, multipartType } from '../support/e2e/bodies.ts'
import {
  allRows,
  call,
  expectStatus,
  field,
  file,
  heldExactly,
  holdings,
  makeDomain,
  nothingHeld,
  type TestDomain,
} from '../support/workers/client.ts'
import { appWith, HeldQueue } from '../support/workers/faults.ts'

vi.setConfig({ testTimeout: 60_000 })

const send = appWith({ deps: () => ({ queue: new HeldQueue() }) })

/** A body that is cut, and how a client sends it. */
interface Upload {
  method: 'POST' | 'PUT'
  path: string
  type: string
  body: Uint8Array
  files: number[]
}

const form: Upload = {
  method: 'POST',
  path: '/v1/uploads',
  type: multipartType,
  body: formBody([field('metadata', '{"batch":"7"}'), file('a.txt', 'one\r\n', 'text/plain'), file('b.bin', 'two')]),
  files: [5, 3],
}
const note = new TextEncoder().encode('One file, from its first byte to its last: für später.\n')
const raw: Upload = {
  method: 'PUT',
  path: '/v1/uploads/note.txt',
  type: 'text/plain',
  body: note,
  files: [note.length],
}

/** Lets the first bytes of a body of this length through and then ends it, in one of the ways in which bodies end. */
type Ending = (firstBytes: Uint8Array, length: number) => { stream: ReadableStream; declaredBytes?: number }

/** As a connection that breaks. */
const breaksOff: Ending = (firstBytes, length) => {
  const { readable, writable } = new FixedLengthStream(length)
  const writer = writable.getWriter()
  const over = firstBytes.length === 0 ? Promise.resolve() : writer.write(firstBytes)
  over.then(() => writer.abort(new Error('gone'))).catch(() => {})
  return { stream: readable }
}
/** As a chunked body that has its last chunk, or one that a Worker in front hands on: what errs there ends here in order. */
const ends: Ending = (firstBytes) => ({ stream: streamOf(firstBytes, (controller) => controller.close()) })
const endsShortOfItsLength: Ending = (firstBytes, length) => ({ ...ends(firstBytes, length), declaredBytes: length })
/** As a connection that breaks within a chunked body. */
const errs: Ending = (firstBytes) => ({
  stream: streamOf(firstBytes, (controller) => controller.error(new Error('gone'))),
})

function streamOf(bytes: Uint8Array, end: (controller: ReadableStreamDefaultController) => void): ReadableStream {
  let isSent = bytes.length === 0
  const source: UnderlyingSource = {
    pull(controller) {
      if (isSent) return end(controller as ReadableStreamDefaultController)
      isSent = true
      controller.enqueue(Uint8Array.from(bytes))
    },
  }
  // With nothing read ahead, an error does not overtake the bytes before it.
  return new ReadableStream(source, { highWaterMark: 0 })
}

function sendCut(domain: TestDomain, { method, path, type, body }: Upload, ending: Ending, sentBytes: number) {
  const { stream, declaredBytes } = ending(body.subarray(0, sentBytes), body.length)
  const length = declaredBytes === undefined ? {} : { 'content-length': String(declaredBytes) }
  return call(method, domain.origin + path, { send, body: stream, headers: { 'content-type': type, ...length } })
}

const crlf = 2

describe.each([
  { name: 'a form of declared length that breaks off', upload: form, ending: breaksOff },
  { name: 'a form that ends short of its declared length', upload: form, ending: endsShortOfItsLength },
  { name: 'a chunked form that breaks off', upload: form, ending: errs },
  {
    name: 'a chunked form that ends early',
    upload: form,
    ending: ends,
    // The CRLF behind the last boundary belongs to the epilogue, which may be left out (RFC 2046 §5.1.1).
    wholeFrom: form.body.length - crlf,
  },
  { name: 'a file of declared length that breaks off', upload: raw, ending: breaksOff },
  { name: 'a file that ends short of its declared length', upload: raw, ending: endsShortOfItsLength },
  { name: 'a chunked file that breaks off', upload: raw, ending: errs },
])('$name', ({ upload, ending, wholeFrom = upload.body.length }) => {
  test('is refused wherever that is, and leaves nothing anywhere', async () => {
    const domain = await makeDomain()
    const notRefused: [sentBytes: number, answer: string][] = []
    for (let sentBytes = 0; sentBytes < wholeFrom; sentBytes++) {
      const answer = await sendCut(domain, upload, ending, sentBytes)
      if (answer.status !== 400) notRefused.push([sentBytes, answer.text])
    }
    expect(notRefused).toEqual([])
    expect(await holdings(domain)).toEqual(nothingHeld)
    // Not even a row that was deleted again: files as small as these are never claimed.
    expect(await allRows('SELECT id FROM uploaded_files WHERE domain_id = ?', domain.id)).toEqual([])
  })

  // What breaks off is never whole, whatever came before.
  const whole = ending === breaksOff || ending === errs ? [] : [...new Set([wholeFrom, upload.body.length])]
  test.each(whole)('is accepted with %i bytes', async (sentBytes) => {
    const domain = await makeDomain()
    expectStatus(await sendCut(domain, upload, ending, sentBytes), 202)
    expect(await holdings(domain)).toEqual(heldExactly(...upload.files))
  })
})
