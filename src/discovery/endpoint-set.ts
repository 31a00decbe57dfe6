import { formatAddressPort } from '../core/ip.ts'
import type { Endpoint } from './endpoint.ts'

/** `10.0.0.1:80`, or the bare address where discovery knows no port: how endpoints are written and compared. */
export function placeOf({ address, port }: Endpoint): string {
  return formatAddressPort(address, port)
}

/** Whether two sets hold the same endpoints with the same properties, in whatever order. */
export function sameEndpoints(one: readonly Endpoint[], other: readonly Endpoint[]): boolean {
  if (one === other) return true
  if (one.length !== other.length) return false
  const byPlace = new Map(one.map((endpoint) => [placeOf(endpoint), endpoint]))
  // An endpoint named twice in one set must not stand for two of the other.
  const met = new Set<string>()
  return other.every((endpoint) => {
    const place = placeOf(endpoint)
    const twin = byPlace.get(place)
    if (twin === undefined || met.has(place)) return false
    met.add(place)
    return sameEndpoint(twin, endpoint)
  })
}

function sameEndpoint(one: Endpoint, other: Endpoint): boolean {
  return (
    one === other ||
    (one.zone === other.zone &&
      one.weight === other.weight &&
      one.id === other.id &&
      one.tier === other.tier &&
      one.origin === other.origin &&
      sameAttributes(one.attributes, other.attributes))
  )
}

function sameAttributes(one: Endpoint['attributes'], other: Endpoint['attributes']): boolean {
  if (one === other) return true
  if (one === undefined || other === undefined) return false
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key])
}

/** What another set is and brings, for people. */
export function differenceOf(
  before: readonly Endpoint[],
  after: readonly Endpoint[],
): Record<'endpoints' | 'added' | 'removed', readonly string[]> {
  const gone = new Set(before.map(placeOf))
  const endpoints = after.map(placeOf)
  const added = endpoints.filter((place) => !gone.delete(place))
  return { endpoints, added, removed: [...gone] }
}
