import { BlockList, isIPv6 } from 'node:net'

/** RFC 1918, RFC 6598, loopback; unique-local and link-local addresses of IPv6. */
const CIDRS = [
  ['10.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['::1', 128, 'ipv6'],
] as const

const privates = new BlockList()
for (const [network, prefix, family] of CIDRS) privates.addSubnet(network, prefix, family)

/** Whether an address is one of a private network, such as a VPC. */
export function isPrivate(address: string): boolean {
  return privates.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
