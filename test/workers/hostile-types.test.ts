import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contradictions, type HostileFile, hostileFiles, type PolicyName, policies } from '../support/hostile-table.ts'
import {
  call,
  expectProblem,
  expectStatus,
  holdings,
  jobsDone,
  makeDomain,
  nothingHeld,
  putFile,
  type TestDomain,
} from '../support/workers/client.ts'

afterAll(jobsDone, 120_000)

const domains = new Map<PolicyName, TestDomain>()
let refuses: TestDomain

beforeAll(async () => {
  for (const name of Object.keys(policies) as PolicyName[]) {
    domains.set(name, await makeDomain({ ...policies[name], readBeforeComplete: true, steps: [] }))
  }
  refuses = await makeDomain()
})

const send = (
  domain: TestDomain,
  { filename, content }: Pick<HostileFile, 'filename' | 'content'>,
  declared: string | null,
) => putFile(domain.origin, filename, content, declared === null ? {} : { headers: { 'content-type': declared } })

/** What a page or a worker would run or apply by its type alone; documents are held by the sandbox. */
const actsOnPages = /javascript|ecmascript|jscript|livescript|wasm|css|^multipart|^message/
/** What a browser may run when it shows it. */
const active = /html|xml|xsl|svg|pdf|flash/

test.each(hostileFiles)('$title', async (file) => {
  for (const [declared, type, takenBy] of file.claims) {
    for (const [name, domain] of domains) {
      const answer = await send(domain, file, declared)
      const where = `declared ${declared}, policy ${name}: ${answer.text}`
      if (!takenBy.split(' ').includes(name)) {
        const { detectedType } = expectProblem(answer, 415, 'type-not-allowed')
        if (name !== 'inert') expect(detectedType, where).toBe(type)
        else expect(policies.inert.deniedTypes, where).toContain(detectedType)
        continue
      }
      expect(answer.status, where).toBe(202)
      expect(answer.json.type, where).toBe(type)
      if (name === 'all') await expectHarmless(answer.json.links.content, type)
    }
  }
})

async function expectHarmless(url: string, type: string) {
  const { status, headers } = await call('HEAD', url)
  expect(status).toBe(200)
  const served = headers.get('content-type') ?? ''
  const isInline = headers.get('content-disposition')?.startsWith('inline')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; .*\bsandbox$/)
  expect(served).not.toMatch(actsOnPages)
  if (isInline) expect(served).not.toMatch(active)
  expect([type, 'application/octet-stream', 'text/plain; charset=utf-8']).toContain(served)
}

describe('a file under a name that its bytes contradict', () => {
  test.each(contradictions)('%s', async (_title, filename, content, declared, found) => {
    const { detectedType } = expectProblem(
      await send(refuses, { filename, content }, declared),
      415,
      'type-contradicted',
    )
    expect(detectedType).toBe(found)
    expect(await holdings(refuses)).toEqual(nothingHeld)
  })
})

test('a policy means a type under all of its names', async () => {
  const domain = await makeDomain({ deniedTypes: ['application/x-javascript', 'image/jpg'] })
  for (const declared of ['text/javascript', 'application/javascript', 'text/ecmascript']) {
    const answer = await send(domain, { filename: 'a.js', content: new TextEncoder().encode('x()') }, declared)
    expectProblem(answer, 415, 'type-not-allowed')
  }
  const images = await makeDomain({ allowedTypes: ['image/jpg'] })
  const jpeg = hostileFiles.find(({ title }) => title === 'JPEG') as HostileFile
  expectProblem(await send(domain, jpeg, 'image/jpeg'), 415, 'type-not-allowed')
  expectStatus(await send(images, jpeg, 'image/jpeg'), 202)
})
