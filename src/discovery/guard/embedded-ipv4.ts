import { canonicalAddress } from '../../core/cidr.ts'

interface Form {
  /** In bytes. */
  readonly prefix: readonly number[]
  /** Where the four bytes of the IPv4 address are. */
  readonly at: readonly [number, number, number, number]
  /**
   * Whether all of the address follows from the prefix. Else an operator chooses what else it holds, and only addresses
   * that are not chosen by accident show that it is this form.
   */
  readonly isCertain: boolean
}

const LOCAL_NAT64 = [0, 0x64, 0xff, 0x9b, 0, 1]

const FORMS: readonly Form[] = [
  // IPv4-compatible (RFC 4291 section 2.5.5.1) and IPv4-translated (RFC 7915).
  { prefix: Array<number>(12).fill(0), at: [12, 13, 14, 15], isCertain: true },
  { prefix: [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0], at: [12, 13, 14, 15], isCertain: true },
  // 6to4 (RFC 3056).
  { prefix: [0x20, 0x02], at: [2, 3, 4, 5], isCertain: true },
  // NAT64 by the well-known prefix (RFC 6052).
  { prefix: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0], at: [12, 13, 14, 15], isCertain: true },
  // NAT64 by a prefix of 64, 56, 48 or 96 bits within the one for local use (RFC 8215); byte 8 is never part of it.
  { prefix: LOCAL_NAT64, at: [9, 10, 11, 12], isCertain: false },
  { prefix: LOCAL_NAT64, at: [7, 9, 10, 11], isCertain: false },
  { prefix: LOCAL_NAT64, at: [6, 7, 9, 10], isCertain: false },
  { prefix: LOCAL_NAT64, at: [12, 13, 14, 15], isCertain: true },
]

export interface EmbeddedIpv4 {
  readonly address: string
  readonly isCertain: boolean
}

/**
 * The IPv4 addresses that packets to an IPv6 address may end at, where a router translates or tunnels them.
 * `::ffff:0:0/96` is not among them: `BlockList` knows it.
 */
export function embeddedIpv4(address: string): readonly EmbeddedIpv4[] {
  const bytes = bytesOf(address)
  // The unspecified address, and loopback.
  if (bytes.slice(0, -1).every((byte) => byte === 0) && (bytes.at(-1) ?? 0) <= 1) return []
  return FORMS.filter(({ prefix }) => prefix.every((byte, index) => bytes[index] === byte)).map(
    ({ at, isCertain }) => ({ address: at.map((index) => bytes[index]).join('.'), isCertain }),
  )
}

/** @param address an IPv6 literal without a zone */
function bytesOf(address: string): readonly number[] {
  const [head = '', tail] = canonicalAddress(address).split('::')
  const first = groupBytes(head)
  const rest = groupBytes(tail ?? '')
  return [...first, ...Array<number>(16 - first.length - rest.length).fill(0), ...rest]
}

function groupBytes(text: string): readonly number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
