/** Where something listens for TCP connections. */
export interface SocketAddress {
  /** A hostname, an IPv4 address, or an IPv6 address in brackets. */
  hostname: string
  port: number
}

/** Reads `host` or `host:port`; null for anything else. An IPv6 address stands in brackets. */
export function parseAddress(text: string, defaultPort: number): SocketAddress | null {
  const match = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i.exec(text)
  if (!match) return null
  const port = match[2] === undefined ? defaultPort : Number(match[2])
  return port >= 1 && port <= 65_535 ? { hostname: match[1] as string, port } : null
}
