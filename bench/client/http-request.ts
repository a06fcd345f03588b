/** A body: `head`, then so many bytes of noise, then `tail`. */
export interface BodyPlan {
  head: string
  bytes: number
  tail: string
}

/** One request, as plain data: it is sent to the client's own process. */
export interface RequestPlan {
  port: number
  method: 'POST' | 'PUT' | 'PATCH'
  path: string
  /** The host that it names, whatever the address it goes to. */
  host: string
  headers?: Record<string, string>
  body: BodyPlan
}

const boundary = '----WebKitFormBoundary7MA4YWxkTrZu0gW0'
export const formType = `multipart/form-data; boundary=${boundary}`

/** A form with one file of so many bytes. */
export function formBody(fileBytes: number): BodyPlan {
  const disposition = 'Content-Disposition: form-data; name="file"; filename="bench.bin"'
  return {
    head: `--${boundary}\r\n${disposition}\r\nContent-Type: application/octet-stream\r\n\r\n`,
    bytes: fileBytes,
    tail: `\r\n--${boundary}--\r\n`,
  }
}

/** The file's bytes alone. */
export function rawBody(fileBytes: number): BodyPlan {
  return { head: '', bytes: fileBytes, tail: '' }
}

/** The request line and headers, with the blank line. */
export function requestHead({ method, path, host, headers = {}, body }: Omit<RequestPlan, 'port'>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = body.head.length + body.bytes + body.tail.length
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}Content-Length: ${length}\r\n\r\n`
}
