import { Connection } from './connection.ts'
import { rawBody, requestHead } from './http-request.ts'

/** Uploads by tus, as plain data: it is sent to the client's own process. */
export interface TusPlan {
  port: number
  /** The host that they name, whatever the address they go to. */
  host: string
  /** Where they are created. */
  path: string
  /** How many are under way at once, each on a connection of its own. */
  uploads: number
  /** The size of each, and of its appends; the last may be smaller. */
  bytes: number
  appendBytes: number
  /** Whether they are the pieces of one file, and are joined to it (concatenation). */
  areJoined?: boolean
}

export interface TusResult {
  seconds: number
  /** The paths of the uploads, or that of the file which they were joined to. */
  paths: string[]
}

/** Brings all uploads of a plan. Throws for an answer that is not the one that it should be. */
export async function bringByTus(plan: TusPlan): Promise<TusResult> {
  const { port, uploads, areJoined } = plan
  const connections = await Promise.all(Array.from({ length: uploads }, () => Connection.open(port)))
  try {
    const start = performance.now()
    const paths = await Promise.all(connections.map((connection) => bring(connection, plan)))
    const joined = areJoined ? [await join(connections[0] as Connection, plan, paths)] : paths
    return { seconds: (performance.now() - start) / 1000, paths: joined }
  } finally {
    for (const connection of connections) connection.close()
  }
}

async function bring(connection: Connection, { host, path, bytes, appendBytes, areJoined }: TusPlan): Promise<string> {
  const create = { 'upload-length': String(bytes), ...(areJoined ? { 'upload-concat': 'partial' } : {}) }
  const upload = await created(connection, { host, path, headers: create })
  for (let offset = 0; offset < bytes; offset += appendBytes) {
    const body = rawBody(Math.min(appendBytes, bytes - offset))
    const headers = {
      'tus-resumable': '1.0.0',
      'upload-offset': String(offset),
      'content-type': 'application/offset+octet-stream',
    }
    const answer = await connection.stream(requestHead({ method: 'PATCH', host, path: upload, headers, body }), body)
    if (answer.status !== 204) throw new Error(`An append was answered with ${answer.status}: ${answer.body}`)
  }
  return upload
}

function join(connection: Connection, { host, path }: TusPlan, paths: readonly string[]): Promise<string> {
  return created(connection, { host, path, headers: { 'upload-concat': `final;${paths.join(' ')}` } })
}

async function created(
  connection: Connection,
  { host, path, headers }: { host: string; path: string; headers: Record<string, string> },
): Promise<string> {
  const body = rawBody(0)
  const request = { method: 'POST' as const, host, path, headers: { 'tus-resumable': '1.0.0', ...headers }, body }
  const { status, location, body: text } = await connection.stream(requestHead(request), body)
  if (status !== 201 || location === null) throw new Error(`A creation was answered with ${status}: ${text}`)
  return new URL(location, 'http://localhost').pathname
}
