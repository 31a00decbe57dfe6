import { isIP } from 'node:net'
import { bareReason } from '../../../discovery/bare-reason.ts'
import { askDns } from '../../endpoints/dns-answer.ts'
import { fine, unchecked, wrong, type ProcessCheck } from '../check.ts'
import { isPrivate } from '../private-address.ts'

/** How the Cloud Map API is reached: by an interface endpoint of the VPC, or through NAT. */
export const apiRoute: ProcessCheck = {
  title: 'way to the API',
  async run({ options, signal }) {
    const { discovery, region, timeout: timeoutMs, endpoint } = options
    if (discovery === 'dns') return unchecked('not used: --discovery dns')
    const host = endpoint === undefined ? awsHost(region) : URL.parse(endpoint)?.hostname
    if (host === undefined) return unchecked('unknown: no region')
    if (isIP(host) !== 0) return fine(`${host}, by --endpoint`)
    try {
      const { endpoints } = await askDns(host, { servers: options['dns-server'], timeoutMs, signal })
      const addresses = endpoints.map(({ address }) => address)
      if (addresses.length === 0) return wrong(unresolved(host, 'DNS has no addresses of it'))
      return addresses.every(isPrivate)
        ? fine(`${host} is ${addresses.join(', ')}: an interface endpoint of the VPC`)
        : fine(
            `${host} is ${addresses.join(', ')}: through NAT or an internet gateway, which charge for each GB`,
          )
    } catch (error) {
      signal.throwIfAborted()
      return wrong(unresolved(host, bareReason(host, error)))
    }
  },
}

function awsHost(region: string | undefined): string | undefined {
  if (region === undefined) return undefined
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  return `data-servicediscovery.${region}.${domain}`
}

function unresolved(host: string, reason: string) {
  return {
    id: 'api-host-unresolved',
    level: 'warning',
    what: `${host} cannot be looked up: ${reason}`,
    cause: 'DNS fails, the VPC has enableDnsSupport off, or the region is misspelt.',
    remedy: 'Check the region, and the DNS settings of the VPC.',
  } as const
}
