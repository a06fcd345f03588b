import { request } from 'node:http'
import { formBody, formType, type RequestPlan } from '../client/http-request.ts'
import type { Runtime, WorkerToRun } from './runtime.ts'

const [baseDomain, adminToken, slug] = ['bench.test', 'bench-admin-token', 'demo'] as const
const signingSecret = 'a signing secret for the bench alone'
const gibibyte = 1024 ** 3

export const asAdministrator = { authorization: `Bearer ${adminToken}` }

/** Where the application is administered. */
export const apexHost = baseDomain

/** Where a domain of the application is served. */
export const hostOf = (slug: string) => `${slug}.${baseDomain}`

/** The whole application, as it is deployed. `entry` may be another that wraps it. */
export function application(name = 'app', entry = 'src/index.ts'): WorkerToRun {
  return {
    name,
    entry,
    vars: { BASE_DOMAIN: baseDomain, ADMIN_TOKEN: adminToken, SIGNING_SECRET: signingSecret },
    isApplication: true,
  }
}

/** One request of the administrator, outside of what is measured. Gives the body; throws for any answer but 2xx. */
export function administer(
  runtime: Runtime,
  worker: string,
  { method, host, path, body = '' }: { method: string; host: string; path: string; body?: string },
): Promise<string> {
  const headers = { host, ...asAdministrator, 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const call = request({ port: runtime.port(worker), host: '127.0.0.1', path, method, headers }, async (answer) => {
      const text = (await answer.toArray()).join('')
      if (answer.statusCode && answer.statusCode < 300) resolve(text)
      else reject(new Error(`${method} ${path} was answered with ${answer.statusCode}: ${text}`))
    })
    call.on('error', reject)
    call.end(body)
  })
}

/** Makes a domain that everybody may upload to, large files too. */
export async function openDomain(runtime: Runtime, worker = 'app', named: string = slug): Promise<void> {
  const policy = { anonymousUpload: true, maxFileBytes: 4 * gibibyte, maxRequestBytes: 4 * gibibyte }
  const body = JSON.stringify({ slug: named, hostnames: [], policy })
  await administer(runtime, worker, { method: 'POST', host: baseDomain, path: '/v1/domains', body })
}

/** An upload of one file by a form, as a browser sends it. */
export function upload(runtime: Runtime, fileBytes: number, worker = 'app'): RequestPlan {
  return {
    port: runtime.port(worker),
    method: 'POST',
    path: '/v1/uploads',
    host: hostOf(slug),
    headers: { 'content-type': formType },
    body: formBody(fileBytes),
  }
}
