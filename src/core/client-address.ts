/**
 * The network that an address stands for when clients are told apart by it: an IPv4 address is one by itself, of an IPv6
 * address it is the /64, which is what one household or machine is given (RFC 6177, RFC 4291 §2.5.4). Null for no address.
 */
export function networkOf(address: string | undefined): string | null {
  const text = address?.trim() ?? ''
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return text
  if (!text.includes(':') || !URL.canParse(`http://[${text}]`)) return null
  const groups = groupsOf(new URL(`http://[${text}]`).hostname.slice(1, -1))
  // An IPv4 address that came over an IPv6 socket (RFC 4291 §2.5.5.2): ::ffff:192.0.2.1.
  if (groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff') return groups.slice(6).flatMap(bytesOf).join('.')
  return `${groups.slice(0, 4).join(':')}::/64`
}

/** The eight groups of an IPv6 address in the shortest form that the URL parser gives. */
function groupsOf(address: string): string[] {
  const [head, tail] = address.split('::').map((part) => (part === '' ? [] : part.split(':'))) as [string[], string[]?]
  if (!tail) return head
  return [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail]
}

function bytesOf(group: string): number[] {
  const value = Number.parseInt(group, 16)
  return [value >> 8, value & 0xff]
}
