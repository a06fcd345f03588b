/**
 * The host at which a domain is served beside its own hostnames; null where a deployment can have no names below its own:
 * on workers.dev, which serves one name for each Worker, and at an IP address. `host` may have a port.
 */
export function domainHost(slug: string, host: string): string | null {
  const { hostname } = new URL(`http://${host}`)
  const isAddress = hostname.startsWith('[') || /^[\d.]+$/.test(hostname)
  return isAddress || hostname.endsWith('.workers.dev') ? null : `${slug}.${host}`
}
