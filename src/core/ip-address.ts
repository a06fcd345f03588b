/** What an address is for, as far as it matters to who may be reached at it; `public` is anybody on the Internet. */
export type AddressUse =
  | 'public'
  | 'unspecified'
  | 'loopback'
  | 'private'
  | 'link-local'
  | 'metadata'
  | 'multicast'
  | 'reserved'

/** Blocks by their first address and the length of their prefix, the narrower before the wider. */
type Block = readonly [start: string, prefix: number, use: AddressUse]

/** IANA's special-purpose registry (RFC 6890), and the addresses at which clouds tell their machines secrets. */
const blocks4: readonly Block[] = [
  ['169.254.169.254', 32, 'metadata'],
  ['169.254.170.2', 32, 'metadata'],
  ['100.100.100.200', 32, 'metadata'],
  ['168.63.129.16', 32, 'metadata'],
  ['0.0.0.0', 8, 'unspecified'],
  ['127.0.0.0', 8, 'loopback'],
  ['10.0.0.0', 8, 'private'],
  ['172.16.0.0', 12, 'private'],
  ['192.168.0.0', 16, 'private'],
  ['100.64.0.0', 10, 'private'],
  ['169.254.0.0', 16, 'link-local'],
  ['224.0.0.0', 4, 'multicast'],
  ['192.0.0.0', 24, 'reserved'],
  ['192.0.2.0', 24, 'reserved'],
  ['192.31.196.0', 24, 'reserved'],
  ['192.52.193.0', 24, 'reserved'],
  ['192.88.99.0', 24, 'reserved'],
  ['192.175.48.0', 24, 'reserved'],
  ['198.18.0.0', 15, 'reserved'],
  ['198.51.100.0', 24, 'reserved'],
  ['203.0.113.0', 24, 'reserved'],
  ['240.0.0.0', 4, 'reserved'],
]

const blocks6: readonly Block[] = [
  ['fd00:ec2::254', 128, 'metadata'],
  ['::', 128, 'unspecified'],
  ['::1', 128, 'loopback'],
  ['fc00::', 7, 'private'],
  ['fec0::', 10, 'private'],
  ['fe80::', 10, 'link-local'],
  ['ff00::', 8, 'multicast'],
  ['2001::', 23, 'reserved'],
  ['2001:db8::', 32, 'reserved'],
  ['3fff::', 20, 'reserved'],
  ['2000::', 3, 'public'],
  ['::', 0, 'reserved'],
]

/** Where an IPv6 address holds an IPv4 one, which is then what it stands for: the bits of the address that it begins at. */
const carriers: readonly (readonly [start: string, prefix: number, at: number])[] = [
  // Mapped and compatible (RFC 4291 §2.5.5), translated (RFC 2765), NAT64 (RFC 6052, RFC 8215), and 6to4 (RFC 3056).
  ['::ffff:0:0', 96, 96],
  ['::ffff:0:0:0', 96, 96],
  ['64:ff9b::', 96, 96],
  ['64:ff9b:1::', 48, 96],
  ['2002::', 16, 16],
  ['::', 96, 96],
]

/** What this address is for; null for what is no address. IPv4 has to be four decimal numbers, IPv6 stands without brackets. */
export function useOfAddress(text: string): AddressUse | null {
  const four = parseIpv4(text)
  if (four !== null) return useIn(blocks4, four, 32, parseIpv4) ?? 'public'
  const six = parseIpv6(text)
  if (six === null) return null
  const own = useIn(blocks6, six, 128, parseIpv6) ?? 'reserved'
  if (own === 'unspecified' || own === 'loopback') return own
  const carrier = carriers.find(([start, prefix]) => isWithin(six, parseIpv6(start) as bigint, prefix, 128))
  if (!carrier) return own
  const carried = (six >> BigInt(96 - carrier[2])) & 0xffff_ffffn
  return useIn(blocks4, carried, 32, parseIpv4) ?? 'public'
}

function useIn(
  blocks: readonly Block[],
  address: bigint,
  width: number,
  parse: (text: string) => bigint | null,
): AddressUse | undefined {
  return blocks.find(([start, prefix]) => isWithin(address, parse(start) as bigint, prefix, width))?.[2]
}

function isWithin(address: bigint, start: bigint, prefix: number, width: number): boolean {
  const rest = BigInt(width - prefix)
  return address >> rest === start >> rest
}

function parseIpv4(text: string): bigint | null {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return null
  return parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
}

function parseIpv6(text: string): bigint | null {
  if (!text.includes(':')) return null
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [head, tail] = halves.map(groupsOf)
  if (!head || (halves.length === 2 && !tail)) return null
  const missing = 8 - head.length - (tail?.length ?? 0)
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null
  const groups = [...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])]
  return groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n)
}

/** The groups of 16 bits of one side of an IPv6 address; an IPv4 address at its end is two of them. */
function groupsOf(text: string): number[] | null {
  if (text === '') return []
  const parts = text.split(':')
  const last = parseIpv4(parts.at(-1) as string)
  const groups = (last === null ? parts : parts.slice(0, -1)).map((part) =>
    /^[0-9a-f]{1,4}$/i.test(part) ? Number.parseInt(part, 16) : Number.NaN,
  )
  if (groups.some(Number.isNaN)) return null
  return last === null ? groups : [...groups, Number(last >> 16n), Number(last & 0xffffn)]
}
