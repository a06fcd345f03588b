import { WrongUse } from './errors.ts'

/** Which server the command talks to, and as whom. */
export interface Settings {
  /** The origin, without a path. */
  url: URL
  key: string | undefined
  /** The domain that requests are for: a slug or a hostname. Without one, the host or the key says it. */
  domain: string | undefined
}

/** What `npm run dev` serves, and the domain that it makes. */
const developmentUrl = 'http://localhost:8787'
const developmentDomain = 'demo'

/**
 * Joins the options with the environment; an option wins. Where neither names a server, it is the one of `npm run dev`,
 * and its domain `demo`. Throws `WrongUse` for what is no address of a server, and for a key no header can carry.
 */
export function resolveSettings(
  options: { url?: string; key?: string; domain?: string },
  env: Record<string, string | undefined>,
): Settings {
  const url = options.url ?? (env.STEVEDORE_URL || undefined)
  const key = (options.key ?? env.STEVEDORE_KEY)?.trim() || undefined
  const domain = (options.domain ?? env.STEVEDORE_DOMAIN)?.trim() || undefined
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    throw new WrongUse('The key holds a character that no key has. Was something else pasted with it?')
  }
  if (domain !== undefined && !/^[\p{L}\p{N}.-]+$/u.test(domain)) {
    throw new WrongUse(`"${domain}" is no domain: give its slug or one of its hostnames.`)
  }
  if (url === undefined) return { url: new URL(developmentUrl), key, domain: domain ?? developmentDomain }
  return { url: parseServerUrl(url), key, domain }
}

function parseServerUrl(text: string): URL {
  const wrong = (why: string) =>
    new WrongUse(`"${text}" is no server address: ${why}. Write it like https://uploads.example.com`)
  if (!URL.canParse(text)) throw wrong('it is no URL')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw wrong('it must begin with https:// or http://')
  if (url.username !== '' || url.password !== '') throw wrong('the key goes into STEVEDORE_KEY')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') throw wrong('it must end after the host')
  return url
}

/** Whether what is sent there can be read on the way: plain HTTP, to anything but this machine. */
export function isExposed({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && !isLoopback(hostname)
}

/** Whether a hostname means this machine; every `*.localhost` does (RFC 6761 §6.3), though Node resolves none. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || /^(127(\.\d+){3}|\[::1\])$/.test(hostname)
}
