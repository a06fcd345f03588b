import { Buffer } from 'node:buffer'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { inspectFacts } from '../../src/processing/inspect-facts.ts'
import { sha256 } from '../support/e2e/bodies.ts'
import {
  call,
  expectProblem,
  expectStatus,
  file,
  heldExactly,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  postForm,
  putFile,
  type TestDomain,
  upload,
  waitForStatus,
} from '../support/workers/client.ts'
import * as samples from '../support/workers/samples.ts'

afterAll(jobsDone, 120_000)

describe('a file that is not what it is declared to be', () => {
  let domain: TestDomain
  beforeEach(async () => {
    domain = await makeDomain()
  })

  test.each([
    ['HTML as PNG', samples.html, 'image/png', 'text/plain'],
    ['HTML as plain JPEG', samples.html, 'image/jpeg', 'text/plain'],
    ['a program as PDF', samples.exe, 'application/pdf', 'application/x-msdownload'],
    ['a program as plain text', samples.exe, 'text/plain', 'application/x-msdownload'],
    ['PNG as JPEG', samples.png(2, 2), 'image/jpeg', 'image/png'],
    ['JPEG as PDF', samples.jpeg, 'application/pdf', 'image/jpeg'],
    ['PDF as a Word document', samples.pdf, samples.docxType, 'application/pdf'],
    ['ZIP as MP4', samples.archive, 'video/mp4', 'application/zip'],
    ['MP4 as PNG', samples.mp4, 'image/png', 'video/mp4'],
    ['PNG as HTML', samples.png(2, 2), 'text/html', 'image/png'],
    ['binary as text', Buffer.from([1, 2, 0, 255]), 'text/csv', 'application/octet-stream'],
    ['UTF-16 without its mark as text', Buffer.from('ab', 'utf16le'), 'text/plain', 'application/octet-stream'],
    ['Latin-1 as HTML', Buffer.from('<p>Gr\xfc\xdfe', 'latin1'), 'text/html', 'application/octet-stream'],
    ['XML as PNG', samples.xml, 'image/png', 'application/xml'],
    ['nothing at all as PNG', Buffer.alloc(0), 'image/png', 'application/octet-stream'],
  ])('%s is refused and leaves nothing', async (_name, content, declared, detected) => {
    const raw = await putFile(domain.origin, 'spoofed', content, { headers: { 'content-type': declared } })
    expect(expectProblem(raw, 415, 'type-contradicted')).toMatchObject({
      filename: 'spoofed',
      declaredType: declared,
      detectedType: detected,
    })
    const form = await postForm(domain.origin, [file('spoofed', content, declared)])
    expect(expectProblem(form, 415, 'type-contradicted').results).toEqual([
      { filename: 'spoofed', problem: expect.objectContaining({ code: 'type-contradicted', status: 415 }) },
    ])
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test('text that stops being text after megabytes is refused, and its parts are gone', async () => {
    const content = Buffer.concat([Buffer.alloc(6 * 1024 * 1024, 'text '), Buffer.from([0])])
    const answer = await putFile(domain.origin, 'long.txt', content, { headers: { 'content-type': 'text/plain' } })
    expectProblem(answer, 415, 'type-contradicted')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

describe('a file that is what it is declared to be', () => {
  test.each([
    ['text', samples.text, 'text/plain', 'text/plain'],
    ['text with a charset', samples.text, 'text/plain; charset=utf-8', 'text/plain'],
    ['CSV', 'box,weight\n1,20\n', 'text/csv', 'text/csv'],
    ['text in an older encoding', Buffer.from('Gr\xfc\xdfe', 'latin1'), 'text/plain', 'text/plain'],
    ['text in UTF-16', Buffer.from('\ufeffGrüße', 'utf16le'), 'text/plain', 'text/plain'],
    ['nothing, as text', '', 'text/plain', 'text/plain'],
    ['JSON', samples.json, 'application/json', 'application/json'],
    ['HTML declared as such', samples.html, 'text/html', 'text/html'],
    ['XML', samples.xml, 'application/xml', 'application/xml'],
    ['XML as text/xml', samples.xml, 'text/xml', 'application/xml'],
    ['SVG', samples.svg, 'image/svg+xml', 'image/svg+xml'],
    ['PNG', samples.png(3, 2), 'image/png', 'image/png'],
    ['PNG under an old name', samples.png(3, 2), 'image/x-png', 'image/png'],
    ['JPEG', samples.jpeg, 'image/jpg', 'image/jpeg'],
    ['GIF', samples.gif, 'image/gif', 'image/gif'],
    ['WebP', samples.webp, 'image/webp', 'image/webp'],
    ['PDF', samples.pdf, 'application/pdf', 'application/pdf'],
    ['ZIP', samples.archive, 'application/zip', 'application/zip'],
    ['ZIP as Windows names it', samples.archive, 'application/x-zip-compressed', 'application/zip'],
    ['DOCX', samples.docx, samples.docxType, samples.docxType],
    ['DOCX as ZIP', samples.docx, 'application/zip', samples.docxType],
    ['EPUB-like ZIP as EPUB', samples.archive, 'application/epub+zip', 'application/epub+zip'],
    ['MP4', samples.mp4, 'video/mp4', 'video/mp4'],
    ['audio in MP4', samples.mp4, 'audio/mp4', 'audio/mp4'],
    ['a program that says so', samples.exe, 'application/x-msdownload', 'application/x-msdownload'],
    ['an unknown type', Buffer.from([1, 2, 0, 255]), 'application/x-lading', 'application/x-lading'],
    ['a header that is no type', samples.png(3, 2), 'nonsense', 'image/png'],
  ])('%s keeps its type', async (_name, content, declared, type) => {
    const domain = await makeDomain()
    const made = await upload(domain, content, 'file', { headers: { 'content-type': declared } })
    expect(made).toMatchObject({ type, size: content.length, sha256: sha256(Buffer.from(content)) })
    expect(await holdings(domain)).toEqual(heldExactly(content.length))
  })

  test.each([
    ['text', samples.text, 'text/plain'],
    ['HTML, which stays plain text', samples.html, 'text/plain'],
    ['SVG, which is XML as far as they show,', samples.svg, 'application/xml'],
    ['PNG', samples.png(3, 2), 'image/png'],
    ['PDF', samples.pdf, 'application/pdf'],
    ['DOCX', samples.docx, samples.docxType],
    ['MP4', samples.mp4, 'video/mp4'],
    ['a program', samples.exe, 'application/x-msdownload'],
    ['bytes', Buffer.from([1, 2, 0, 255]), 'application/octet-stream'],
    ['nothing', Buffer.alloc(0), 'application/octet-stream'],
  ])('without a declared type, or as octet-stream, the bytes of %s decide', async (_name, content, type) => {
    const domain = await makeDomain()
    const form = await postForm(domain.origin, [
      file('a', content),
      file('b', content, 'application/octet-stream'),
      file('c', content, 'binary/octet-stream'),
    ])
    expectStatus(form, 202)
    expect(form.json.results.map((result: { upload: { type: string } }) => result.upload.type)).toEqual([
      type,
      type,
      type,
    ])
  })
})

describe('the types of a policy', () => {
  test('judge by the bytes, and not by the claim or the name', async () => {
    const domain = await makeDomain({ allowedTypes: ['image/*', 'application/pdf'], deniedTypes: ['image/svg+xml'] })
    const form = await postForm(domain.origin, [
      file('photo.jpg', samples.jpeg, 'image/jpeg'),
      file('drawing.svg', samples.svg, 'image/svg+xml'),
      file('drawing.png', samples.svg),
      file('document.pdf', samples.archive),
      file('document.bin', samples.pdf, 'application/octet-stream'),
      file('note.txt', 'a note', 'text/plain'),
    ])
    expectStatus(form, 207)
    expect(
      form.json.results.map((result: { upload?: { type: string }; problem?: { code: string; type: string } }) =>
        result.upload ? result.upload.type : result.problem?.code,
      ),
    ).toEqual([
      'image/jpeg',
      'type-not-allowed',
      'type-not-allowed',
      'type-not-allowed',
      'application/pdf',
      'type-not-allowed',
    ])
    expect(form.json.results[1].problem).toMatchObject({
      filename: 'drawing.svg',
      allowedTypes: ['image/*', 'application/pdf'],
      deniedTypes: ['image/svg+xml'],
    })
    expect(await holdings(domain)).toEqual(heldExactly(samples.jpeg.length, samples.pdf.length))
  })

  test('a raw body of another type is refused', async () => {
    const domain = await makeDomain({ allowedTypes: ['image/*'] })
    expectProblem(await putFile(domain.origin, 'a.txt', 'plain text'), 415, 'type-not-allowed')
    expect(await holdings(domain)).toEqual(nothingHeld)
  })
})

describe('what inspection finds', () => {
  const image = (format: string, width: number, height: number) => ({
    image: { format, width, height, displayWidth: width, displayHeight: height },
  })

  test.each([
    ['PNG', samples.png(31, 17), image('png', 31, 17)],
    ['JPEG', samples.jpeg, image('jpeg', 8, 6)],
    ['SVG', samples.svg, { ...image('svg', 40, 30), text: { encoding: 'utf-8', lines: 2, lineEnds: 'lf' } }],
    ['text', samples.text, { text: { encoding: 'utf-8', lines: 1, lineEnds: 'lf' } }],
    ['an image cut to its magic number', samples.png(2, 2).subarray(0, 16), {}],
  ])('%s', async (name, content, facts) => {
    const domain = await makeDomain()
    const declared = name === 'SVG' ? 'image/svg+xml' : 'application/octet-stream'
    const { id } = await upload(domain, content, 'file', { headers: { 'content-type': declared } })
    const complete = await waitForStatus(domain, id)
    const [step, ...others] = complete.steps
    expect(step).toMatchObject({ name: 'inspect', status: 'complete', attempt: 1, durationMs: expect.any(Number) })
    const stored = { size: content.length, sha256: sha256(Buffer.from(content)), type: complete.type }
    expect(step.result).toMatchObject({ ...stored, ...facts })
    expect(inspectFacts.strict().parse(step.result)).toEqual(step.result)
    expect(others).toEqual([])
    const answer = await call('GET', `${domain.origin}/v1/uploads/${id}/content`)
    expect(Buffer.from(answer.bytes).equals(Buffer.from(content))).toBe(true)
  })
})
