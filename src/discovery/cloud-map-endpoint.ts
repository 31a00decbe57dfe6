import { isIPv4, isIPv6 } from 'node:net'
import type { HttpInstanceSummary } from '@aws-sdk/client-servicediscovery'
import { emit } from '../core/events.ts'
import { taskEndpoint, type Endpoint } from './endpoint.ts'

/**
 * Instances as endpoints: those of no use are left out, with an event each. Two registrations of one address
 * and port (a task that took over the address of one not yet deregistered) are one endpoint.
 */
export function endpointsOf(host: string, instances: readonly HttpInstanceSummary[]): readonly Endpoint[] {
  const byPlace = new Map<string, Endpoint>()
  for (const { InstanceId, Attributes = {} } of instances) {
    const endpoint = endpointOf(InstanceId, Attributes)
    if (typeof endpoint === 'object') {
      byPlace.set(`${endpoint.address} ${endpoint.port}`, endpoint)
      continue
    }
    const address = Attributes['AWS_INSTANCE_IPV4'] ?? Attributes['AWS_INSTANCE_IPV6'] ?? InstanceId ?? ''
    emit('onehop:endpoint.refused', () => ({ host, address, reason: endpoint }))
  }
  return [...byPlace.values()]
}

/** The endpoint, or the reason why there is none. */
function endpointOf(id: string | undefined, attributes: Readonly<Record<string, string>>): Endpoint | string {
  const ipv4 = attributes['AWS_INSTANCE_IPV4']
  const ipv6 = attributes['AWS_INSTANCE_IPV6']
  const address =
    ipv4 !== undefined && isIPv4(ipv4) ? ipv4 : ipv6 !== undefined && isIPv6(ipv6) ? ipv6 : undefined
  if (address === undefined) return `instance ${id} has no usable AWS_INSTANCE_IPV4 or AWS_INSTANCE_IPV6`
  const portText = attributes['AWS_INSTANCE_PORT']
  const port = portText === undefined ? undefined : Number(portText)
  // Not the scheme's port instead: whatever listens there is not what was registered.
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535))
    return `instance ${id} has AWS_INSTANCE_PORT "${portText}"`
  const weight = weightOf(attributes['WEIGHT'])
  if (weight === 0) return `instance ${id} has WEIGHT 0`
  return taskEndpoint(address, { port, weight, zone: attributes['AVAILABILITY_ZONE'], id })
}

/** `WEIGHT` is a custom attribute, and may be somebody else's: what is no number of ours counts as 1. */
function weightOf(text = ''): number {
  const weight = text.trim() === '' ? 1 : Number(text)
  return Number.isFinite(weight) && weight >= 0 ? weight : 1
}
