import { isDeepStrictEqual } from 'node:util'
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
  return other.every((endpoint) => {
    const place = placeOf(endpoint)
    const twin = byPlace.get(place)
    // An endpoint named twice in one set must not stand for two of the other.
    byPlace.delete(place)
    return twin !== undefined && sameEndpoint(twin, endpoint)
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
      isDeepStrictEqual(one.attributes, other.attributes))
  )
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

/** Whether discovery does not know the port of some: calls go there on a port of their own, or that of the scheme. */
export function lacksPorts(endpoints: readonly Endpoint[]): boolean {
  return endpoints.some(({ port }) => port === undefined)
}
