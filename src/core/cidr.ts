import { BlockList, isIP, isIPv6, SocketAddress } from 'node:net'
import { checkString } from './check/check.ts'
import { InvalidOptionsError } from './errors.ts'

/** A range of addresses: all that share its first `bits` bits. */
export interface Cidr {
  readonly network: string
  readonly bits: number
}

const CIDR = /^(?<network>[^/%]+)(?:\/(?<bits>\d{1,3}))?$/

/** Reads `10.0.0.0/16`, `2600:1f18::/32`, and single addresses. */
export function checkCidr(path: string, value: unknown): Cidr {
  const allowed = 'a CIDR or an address, e.g. "10.0.0.0/16", "2600:1f18::/32", "10.0.1.5"'
  const groups = CIDR.exec(checkString(path, value, allowed))?.groups
  const network = groups?.['network'] ?? ''
  const widest = isIP(network) === 6 ? 128 : 32
  const bits = groups?.['bits'] === undefined ? widest : Number(groups['bits'])
  if (isIP(network) === 0 || bits > widest) throw new InvalidOptionsError(path, value, allowed)
  return { network, bits }
}

/** Whether an address is in one of the ranges. */
export function rangesOf(cidrs: readonly Cidr[]): BlockList {
  const ranges = new BlockList()
  for (const { network, bits } of cidrs) ranges.addSubnet(network, bits, familyOf(network))
  return ranges
}

/** IPv6 addresses can be written in many ways, e.g. `2600:1f18:0:0::5`: in the one of RFC 5952. */
export function canonicalAddress(address: string): string {
  return isIPv6(address) ? new SocketAddress({ address, family: 'ipv6' }).address : address
}

/** As `BlockList` calls it. */
export function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
