import { BlockList, isIP, isIPv6 } from 'node:net'
import { bareReason } from '../../../discovery/bare-reason.ts'
import { askDns } from '../../endpoints/dns-answer.ts'
import { fine, unchecked, warning, type Finding, type ProcessCheck } from '../check.ts'

/** How the Cloud Map API is reached: by an interface endpoint of the VPC, or through NAT. */
export const apiRoute: ProcessCheck = {
  title: 'way to the API',
  async run({ options, signal }) {
    const { discovery, region, endpoint } = options
    if (discovery === 'dns') return unchecked('not used: --discovery dns')
    const host = endpoint === undefined ? awsHost(region) : URL.parse(endpoint)?.hostname
    if (host === undefined) return unchecked('unknown: no region')
    if (isIP(host) !== 0) return fine(`${host}, by --endpoint`)
    try {
      const { endpoints } = await askDns(host, options, signal)
      const addresses = endpoints.map(({ address }) => address)
      if (addresses.length === 0) return unresolved(host, 'DNS has no addresses of it')
      const way = addresses.every(isPrivate)
        ? 'an interface endpoint of the VPC'
        : 'through NAT or an internet gateway, which charge for each GB'
      return fine(`${host} is ${addresses.join(', ')}: ${way}`)
    } catch (error) {
      signal.throwIfAborted()
      return unresolved(host, bareReason(host, error))
    }
  },
}

function awsHost(region: string | undefined): string | undefined {
  if (region === undefined) return undefined
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  return `data-servicediscovery.${region}.${domain}`
}

/** RFC 1918, RFC 6598, loopback; unique-local and link-local addresses of IPv6. */
const PRIVATE_NETWORKS = [
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
for (const [network, prefix, family] of PRIVATE_NETWORKS) privates.addSubnet(network, prefix, family)

function isPrivate(address: string): boolean {
  return privates.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function unresolved(host: string, reason: string): Finding {
  return warning('api-host-unresolved', {
    what: `${host} cannot be looked up: ${reason}`,
    cause: 'DNS fails, the VPC has enableDnsSupport off, or the region is misspelt.',
    remedy: 'Check the region, and the DNS settings of the VPC.',
  })
}
