import { isIPv4, isIPv6 } from 'node:net'
import type { HttpInstanceSummary } from '@aws-sdk/client-servicediscovery'
import { emit } from '../../core/events.ts'
import { placeOf } from '../endpoint-set.ts'
import { MAX_WEIGHT, taskEndpoint, type Endpoint } from '../endpoint.ts'

const IPV4 = 'AWS_INSTANCE_IPV4'
const IPV6 = 'AWS_INSTANCE_IPV6'

/**
 * Instances as endpoints: those of no use are left out, with an event each. Two registrations of one address
 * and port (a task that took over the address of one not yet deregistered) are one endpoint.
 */
export function endpointsOf(
  host: string,
  instances: readonly HttpInstanceSummary[],
  family: 'ipv4' | 'ipv6',
): readonly Endpoint[] {
  const byPlace = new Map<string, Endpoint>()
  for (const { InstanceId, Attributes: given } of instances) {
    // A server that is not AWS may say null, for all that the types of the SDK say.
    const Attributes = (given as Readonly<Record<string, string>> | null | undefined) ?? {}
    const endpoint = endpointOf(InstanceId, Attributes, family)
    if (typeof endpoint === 'object') {
      const place = placeOf(endpoint)
      // Always the same one of the two: answers come in random order, and another id would be a change.
      const other = byPlace.get(place)
      if (other === undefined || String(endpoint.id) <= String(other.id)) byPlace.set(place, endpoint)
      continue
    }
    const address = Attributes[IPV4] ?? Attributes[IPV6] ?? InstanceId ?? ''
    emit('onehop:endpoint.refused', () => ({ host, address, reason: endpoint }))
  }
  return [...byPlace.values()]
}

/** Addresses of instances that are left out: DNS may name them. */
export function excludedOf(
  instances: readonly HttpInstanceSummary[],
  endpoints: readonly Endpoint[],
): readonly string[] {
  const called = new Set(endpoints.map(({ address }) => address))
  return instances
    .flatMap(({ Attributes }) => [Attributes?.[IPV4], Attributes?.[IPV6]])
    .filter((address) => address !== undefined)
    .filter((address) => !called.has(address))
}

/** The endpoint, or the reason why there is none. */
function endpointOf(
  id: string | undefined,
  attributes: Readonly<Record<string, string>>,
  family: 'ipv4' | 'ipv6',
): Endpoint | string {
  const usable = [
    ...[attributes[IPV4] ?? ''].filter((text) => isIPv4(text)),
    ...[attributes[IPV6] ?? ''].filter((text) => isIPv6(text)),
  ]
  const address = family === 'ipv4' ? usable[0] : usable.at(-1)
  if (address === undefined) return `instance ${id} has no usable ${IPV4} or ${IPV6}`
  const portText = attributes['AWS_INSTANCE_PORT']
  const port = portText === undefined ? undefined : portOf(portText)
  // Not the scheme's port instead: whatever listens there is not what was registered.
  if (port === 0) return `instance ${id} has AWS_INSTANCE_PORT "${portText}"`
  const weight = weightOf(attributes['WEIGHT'])
  if (weight === 0) return `instance ${id} has WEIGHT 0`
  return taskEndpoint(address, { port, weight, zone: attributes['AVAILABILITY_ZONE'], id, attributes })
}

/** 0 if it is not a port. In decimal digits only: "0x50" and "1e3" are mistakes. */
function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port > 65_535 ? 0 : port
}

/** `WEIGHT` is a custom attribute, and may be another user's: anything but a number counts as 1. */
function weightOf(text = ''): number {
  const weight = text.trim() === '' ? 1 : Number(text)
  return weight >= 0 && weight <= MAX_WEIGHT ? weight : 1
}
