import { request } from 'node:http'
import { formBody, formType, type RequestPlan } from '../client/http-request.ts'
import type { Runtime, WorkerToRun } from './runtime.ts'

const [baseDomain, adminToken, slug] = ['bench.test', 'bench-admin-token', 'demo'] as const
const gibibyte = 1024 ** 3

/** The whole application, as it is deployed. `entry` may be another that wraps it. */
export function application(name = 'app', entry = 'src/index.ts'): WorkerToRun {
  return { name, entry, vars: { BASE_DOMAIN: baseDomain, ADMIN_TOKEN: adminToken }, isApplication: true }
}

/** Makes the domain that everybody may upload to, large files too. */
export async function openDomain(runtime: Runtime, worker = 'app'): Promise<void> {
  const policy = { anonymousUpload: true, maxFileBytes: 4 * gibibyte, maxRequestBytes: 4 * gibibyte }
  const headers = { host: baseDomain, authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const options = { port: runtime.port(worker), host: '127.0.0.1', path: '/v1/domains', method: 'POST', headers }
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const call = request(options, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    call.on('error', reject)
    call.end(JSON.stringify({ slug, hostnames: [], policy }))
  })
  if (status !== 201) throw new Error(`The domain was not made: ${status}`)
}

/** An upload of one file by a form, as a browser sends it. */
export function upload(runtime: Runtime, fileBytes: number, worker = 'app'): RequestPlan {
  return {
    port: runtime.port(worker),
    method: 'POST',
    path: '/v1/uploads',
    host: `${slug}.${baseDomain}`,
    headers: { 'content-type': formType },
    body: formBody(fileBytes),
  }
}
