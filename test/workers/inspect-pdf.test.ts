import { Buffer } from 'node:buffer'
import { deflateSync } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { noise } from '../support/e2e/bodies.ts'
import { factsOf, inspected, SparseObject } from '../support/workers/inspected.ts'
import { buildPdf, document, type PdfShape, stream, updatedPdf } from '../support/workers/pdf-builder.ts'

vi.setConfig({ testTimeout: 30_000 })

const type = 'application/pdf'
const look = async (...[content, options]: [Uint8Array | SparseObject, { pieceBytes?: number }?]) =>
  (await factsOf(type, content, options)).pdf

const plain = { version: '1.7', pages: 12, encrypted: false, hasJavaScript: false }
const { 1: catalog, ...rest } = document(12)
const script = '<</S/JavaScript/JS(app.alert(1))>>'
/** The catalog and the pages by themselves, and in the object stream 9 what is given. */
const withPacked = (objects: Record<number, string>, how: Partial<PdfShape['packed']> = {}) =>
  buildPdf({ objects: document(12), packed: { container: 9, objects, ...how } })
const update = updatedPdf(buildPdf({ objects: document(3) }), { 2: '<</Type/Pages/Count 12/Kids[3 0 R]>>' })

describe('what a PDF says', () => {
  test.each([
    ['a table', buildPdf({ objects: document(12) }), plain],
    ['a stream of references', buildPdf({ objects: document(12), references: 'stream' }), plain],
    ['a predicted stream', buildPdf({ objects: document(12), references: 'predicted stream' }), plain],
    [
      'the page tree in an object stream',
      buildPdf({ objects: { 1: catalog }, packed: { container: 9, objects: rest } }),
      plain,
    ],
    ['the catalog in one as well', buildPdf({ objects: {}, packed: { container: 9, objects: document(12) } }), plain],
    [
      'an object stream that is not packed',
      withPacked({ 4: '<</A 1>>' }, { dictionary: '', pack: (data) => data }),
      plain,
    ],
    ['something before it', buildPdf({ objects: document(12), prefix: Buffer.from('From: a scanner\r\n\r\n') }), plain],
    ['an update', update, plain],
    ['two updates', updatedPdf(update, { 3: '<</Type/Page>>' }), plain],
    [
      'a later version in its catalog',
      buildPdf({ objects: document(12, '/Version/2.0') }),
      { ...plain, version: '2.0' },
    ],
    ['an earlier version in its catalog', buildPdf({ objects: document(12, '/Version/1.2') }), plain],
    [
      'a count that stands by itself',
      buildPdf({ objects: { ...document(12), 2: '<</Type/Pages/Count 7 0 R>>', 7: '12' } }),
      plain,
    ],
    ['encryption', buildPdf({ objects: document(12), trailer: '/Encrypt 8 0 R' }), { ...plain, encrypted: true }],
    ['encryption of nothing', buildPdf({ objects: document(12), trailer: '/Encrypt null' }), plain],
    [
      'comments and odd names',
      buildPdf({
        objects: {
          ...document(12),
          1: '<< % >>\r/Typ#65 /Catalog /X (a\\)(b)) /Y<4a>\n/P#61ges 2 0 R/Z[1 -.5 true null]>>',
        },
      }),
      plain,
    ],
  ])('%s', async (_name, content, facts) => {
    expect(await look(content)).toEqual(facts)
  })

  test.each([1, 2, 7, 100])('in pieces of %i bytes', async (pieceBytes) => {
    expect(await look(withPacked({ 4: script }), { pieceBytes })).toEqual({ ...plain, hasJavaScript: true })
    expect(await look(withPacked({ 4: '<<>>' }), { pieceBytes })).toEqual(plain)
  })
})

describe('JavaScript', () => {
  const objects = document(12)
  test.each([
    ['in an action', buildPdf({ objects: document(12, `/OpenAction${script}`) })],
    ['whose name is written in another way', buildPdf({ objects: { ...objects, 4: '<</S/J#61#76aScrip#74/JS(x)>>' } })],
    [
      'whose name is written in no other way than that',
      buildPdf({ objects: { ...objects, 4: '<</S/#4a#61#76#61#53#63#72#69#70#74>>' } }),
    ],
    ['in a list of scripts', buildPdf({ objects: document(12, '/Names<</JavaScript 4 0 R>>') })],
    ['of a rendition', buildPdf({ objects: { ...objects, 4: '<</S/Rendition/J#53(x)>>' } })],
    ['that nothing refers to', Buffer.concat([buildPdf({ objects }), Buffer.from(`99 0 obj ${script} endobj`)])],
    ['of an earlier version', updatedPdf(buildPdf({ objects: { ...objects, 4: script } }), { 4: 'null' })],
    [
      'in what looks like the data of a stream',
      buildPdf({ objects: { ...objects, 4: stream('', Buffer.from(`7 0 obj ${script} endobj`)) } }),
    ],
    ['in an object stream', withPacked({ 4: '<<>>', 5: script })],
    [
      'in one whose type is written in another way',
      Buffer.from(withPacked({ 5: script }).toString('latin1').replace('ObjStm', 'Obj#53tm'), 'latin1'),
    ],
    [
      'in one that is not packed',
      withPacked({ 5: '<</S/Rendition/JS(x)>>' }, { dictionary: '', pack: (data) => data }),
    ],
    [
      'in an encrypted document',
      buildPdf({ objects: document(12, `/OpenAction${script}`), trailer: '/Encrypt 8 0 R' }),
    ],
    ['at the very end', Buffer.concat([buildPdf({ objects }), Buffer.from('/JavaScript')])],
    [
      'in a document whose references are damaged',
      Buffer.from(
        buildPdf({ objects: { ...objects, 4: script } })
          .toString('latin1')
          .replace('startxref', 'startxxxx'),
        'latin1',
      ),
    ],
  ])('%s is found', async (_name, content) => {
    expect(await look(content)).toMatchObject({ hasJavaScript: true })
  })

  test.each([
    [
      'a name that only begins like it',
      buildPdf({ objects: { ...objects, 4: '<</JavaScripts 1/JSX 2/J 3/JS#20 4>>' } }),
    ],
    ['a script of nothing that runs', buildPdf({ objects: { ...objects, 4: '<</JS(x)>>' } })],
    ['no JavaScript in an encrypted document', buildPdf({ objects, trailer: '/Encrypt 8 0 R' })],
  ])('%s is none', async (_name, content) => {
    expect(await look(content)).toMatchObject({ hasJavaScript: false })
  })

  const hex = (data: Buffer) =>
    Buffer.from(`${data.toString('hex').replaceAll('20', ' 20 ').replaceAll('0a', ' 0a ')}>`)
  const typeless = Buffer.from(
    withPacked({ 5: script }).toString('latin1').replace('/Type/ObjStm', '/Type 12 0 R'),
    'latin1',
  )
  test.each([
    [
      'an object stream that is packed in another way',
      withPacked({ 5: script }, { dictionary: '/Filter/ASCIIHexDecode', pack: hex }),
    ],
    [
      'one that is packed twice',
      withPacked(
        { 5: script },
        { dictionary: '/Filter[/FlateDecode/FlateDecode]', pack: (data) => deflateSync(deflateSync(data)) },
      ),
    ],
    ['one that is predicted', withPacked({ 5: script }, { dictionary: '/Filter/FlateDecode/DecodeParms 7 0 R' })],
    ['one that is encrypted', withPacked({ 5: script }, { pack: (data) => Buffer.from(noise(data.length)) })],
    ['one that is cut', withPacked({ 5: script }, { pack: (data) => deflateSync(data).subarray(0, -12) })],
    ['one that does not say that it is one', typeless],
    [
      'one that does not say so, beside one that takes its number',
      Buffer.concat([
        Buffer.from('%PDF-1.7\n9 0 obj<</Type/ObjStm/N 0/First 0>>stream\n\nendstream endobj\n'),
        typeless,
      ]),
    ],
    ['one that is too large', withPacked({ 5: `<</A(${'x'.repeat(17 * 1024 * 1024)})>>` })],
    ['a form of XFA', buildPdf({ objects: document(12, '/AcroForm<</XFA 4 0 R>>') })],
    [
      'damaged references',
      Buffer.from(buildPdf({ objects }).toString('latin1').replace('startxref', 'startxxxx'), 'latin1'),
    ],
  ])('with %s nobody can tell', async (_name, content) => {
    expect(await look(content)).not.toHaveProperty('hasJavaScript')
  })
})

describe('a PDF that does not say everything', () => {
  const good = buildPdf({ objects: document(12) })
  const changed = (from: string, to: string) => Buffer.from(good.toString('latin1').replace(from, to), 'latin1')
  test.each([
    ['cut', good.subarray(0, -30), { version: '1.7' }],
    [
      'with references that point elsewhere',
      changed('0000000009 00000 n', '0000000010 00000 n'),
      { version: '1.7', encrypted: false, hasJavaScript: false },
    ],
    [
      'with a page tree that is none',
      changed('/Type/Pages', '/Type/Paged'),
      { version: '1.7', encrypted: false, hasJavaScript: false },
    ],
    [
      'with a count below zero',
      changed('/Count 12', '/Count -1'),
      { version: '1.7', encrypted: false, hasJavaScript: false },
    ],
    ['whose sections go round', updatedPdf(good, {}), { ...plain }],
  ])('%s', async (_name, content, facts) => {
    expect(await look(content)).toEqual(facts)
  })

  test('without a header', async () => {
    expect(await look(Buffer.from('no document'))).toBeUndefined()
  })

  test('whose pages are encrypted', async () => {
    const shape = {
      objects: { 1: catalog },
      packed: { container: 9, objects: rest, pack: (data: Buffer) => Buffer.from(noise(data.length)) },
    }
    expect(await look(buildPdf({ ...shape, trailer: '/Encrypt 8 0 R' }))).toEqual({ version: '1.7', encrypted: true })
  })

  test('that goes round in its references', async () => {
    const content = buildPdf({ objects: document(12), trailer: '/Prev 0' }).toString('latin1')
    const start = content.indexOf('xref\n0')
    expect(await look(Buffer.from(content.replace('/Prev 0', `/Prev ${start}`), 'latin1'))).toEqual(plain)
  })
})

describe('how a PDF is read', () => {
  test('150 MB of pictures between the pages and their references, by a few ranges', async () => {
    const size = 150_000_000
    const pages = Buffer.from(`%PDF-1.5\n1 0 obj${catalog}endobj\n`)
    const middle = Buffer.from(`2 0 obj${rest[2]}endobj 4 0 obj${script}endobj`)
    const place = (offset: number) => `${String(offset).padStart(10, '0')} 00000 n \n`
    const table = `xref\n0 3\n0000000000 65535 f \n${place(9)}${place(75_000_000)}trailer<</Size 3/Root 1 0 R>>\n`
    const start = size - table.length - 30
    const end = Buffer.from(`${table}startxref\n${start}\n%%EOF`.padEnd(size - start))
    const object = new SparseObject(size, [0, pages], [75_000_000, middle], [start, end])
    const { inspection, rangesRead } = await inspected(type, object, { pieceBytes: 1024 * 1024 })
    expect(inspection).toMatchObject({
      facts: { pdf: { version: '1.5', pages: 12, encrypted: false, hasJavaScript: true } },
    })
    expect(rangesRead).toEqual([65_536])
  })

  const flood = (text: string) =>
    Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(4 * 1024 * 1024, text), buildPdf({ objects: document(1) })])
  test.each([
    ['slashes', '/'],
    ['beginnings of names', '/J'],
    ['names', '/#4aS '],
    ['types of object streams', '/ObjStm '],
    ['beginnings of object streams', '1 0 obj<</Type/ObjStm>>stream\n'],
    ['empty object streams', '/ObjStm stream\nendstream '],
    [
      'object streams that unpack to much',
      `1 0 obj<</Filter/FlateDecode/Type/ObjStm>>stream\n${deflateSync(Buffer.alloc(10_000_000, '1 0 ')).toString('latin1')}endstream`,
    ],
    ['brackets', '[<<'],
  ])('4 MiB of %s keep nobody busy', async (_name, text) => {
    expect(await look(flood(text))).toMatchObject({ version: '1.7' })
  })
})
