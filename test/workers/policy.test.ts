import { afterAll, describe, expect, test } from 'vitest'
import {
  expectProblem,
  expectStatus,
  field,
  file,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  postForm,
  putFile,
} from '../support/workers/client.ts'

afterAll(jobsDone, 120_000)

describe('allowed extensions', () => {
  test.each(['report.pdf', 'REPORT.PDF', 'a.b.pdf', '.x.pdf', 'space.pdf ', '../elsewhere/report.pdf'])(
    'take "%s"',
    async (name) => {
      const domain = await makeDomain({ allowedExtensions: ['PDF', 'txt'] })
      expectStatus(await postForm(domain.origin, [file(name, 'abc')]), 202)
    },
  )

  test.each(['report', 'report.', '.pdf', 'report.pdf.exe', 'pdf', 'report.pdf.'])(
    'refuse "%s", and nothing is kept',
    async (name) => {
      const domain = await makeDomain({ allowedExtensions: ['pdf'] })
      const problem = expectProblem(await postForm(domain.origin, [file(name, 'abc')]), 415, 'extension-not-allowed')
      expect(problem.allowedExtensions).toEqual(['pdf'])
      expect(await holdings(domain)).toEqual(nothingHeld)
    },
  )

  test('leave out the file they refuse, and take the others', async () => {
    const domain = await makeDomain({ allowedExtensions: ['pdf'] })
    const answer = await postForm(domain.origin, [file('a.pdf', 'a'), file('b.exe', 'b'), file('c.pdf', 'c')])
    expectStatus(answer, 207)
    expect(answer.json.results.map((result: { upload?: object }) => result.upload !== undefined)).toEqual([
      true,
      false,
      true,
    ])
  })
})

describe('what the policy wants of metadata', () => {
  const rules = {
    invoice: { format: 'integer' },
    day: { format: 'date', required: false },
    kind: { values: ['draft', 'final'] },
    note: { maxLength: 5, required: false },
    person: { format: 'email', required: false },
    ticket: { format: 'uuid', required: false },
  }
  const right = { invoice: '4711', kind: 'final' }
  const header = (metadata: object) => ({ 'x-upload-metadata': JSON.stringify(metadata) })

  test.each([
    ['the least', right],
    ['everything', { ...right, day: '2026-02-28', note: '12345', person: 'a@example.com' }],
    ['a UUID', { ...right, ticket: '0192f0c1-2f3a-7c4d-8e5f-0123456789ab' }],
    ['keys that are not listed', { ...right, colour: 'blue' }],
  ])('is there: %s', async (_name, metadata) => {
    const domain = await makeDomain({ metadata: rules })
    const form = await postForm(domain.origin, [file('a', 'abc'), field('metadata', JSON.stringify(metadata))])
    expectStatus(form, 202)
    const raw = await putFile(domain.origin, 'a', 'abc', { headers: header(metadata) })
    expectStatus(raw, 202)
    expect(raw.json.metadata).toEqual(metadata)
  })

  test.each<[name: string, metadata: Record<string, string>, keys: string[]]>([
    ['nothing', {}, ['invoice', 'kind']],
    ['a key is missing', { invoice: '1' }, ['kind']],
    ['no whole number', { ...right, invoice: '1.5' }, ['invoice']],
    ['a number with a leading zero', { ...right, invoice: '007' }, ['invoice']],
    ['no date', { ...right, day: '2026-02-30' }, ['day']],
    ['another value', { ...right, kind: 'Final' }, ['kind']],
    ['too long', { ...right, note: '123456' }, ['note']],
    ['no address', { ...right, person: 'nobody' }, ['person']],
    ['no UUID', { ...right, ticket: '1' }, ['ticket']],
    ['a name every object has', { kind: 'draft', constructor: 'x' }, ['invoice']],
  ])('is not: %s', async (_name, metadata, keys) => {
    const domain = await makeDomain({ metadata: rules })
    const text = JSON.stringify(metadata)
    for (const answer of [
      await postForm(domain.origin, [file('a', 'abc'), field('metadata', text)]),
      await postForm(domain.origin, [field('metadata', text), file('a', 'abc')]),
      await putFile(domain.origin, 'a', 'abc', { headers: header(metadata) }),
    ]) {
      const { problems } = expectProblem(answer, 422, 'metadata-invalid')
      expect(problems.map((problem: { key: string }) => problem.key)).toEqual(keys)
    }
    expect(await holdings(domain)).toEqual(nothingHeld)
  })

  test.each(['[]', '{"a":1}', 'nonsense', '{"a":"\u00fc"'])('in the header is not metadata: %s', async (text) => {
    const domain = await makeDomain()
    const answer = await putFile(domain.origin, 'a', 'abc', { headers: { 'x-upload-metadata': text } })
    expect(expectProblem(answer, 422, 'metadata-invalid').detail).toContain('header X-Upload-Metadata')
  })

  test('may be any text in the header, written in ASCII', async () => {
    const domain = await makeDomain()
    const headers = { 'x-upload-metadata': '{"title":"Gr\\u00fc\\u00dfe \\ud83c\\udf0d"}' }
    const answer = await putFile(domain.origin, 'a', 'abc', { headers })
    expectStatus(answer, 202)
    expect(answer.json.metadata).toEqual({ title: 'Grüße 🌍' })
  })
})
