import type { Endpoint } from '../discovery/endpoint.ts'
import type { Locality } from './locality/locality.ts'
import { placeOf } from '../discovery/endpoint-set.ts'
import type { Standpoint } from './locality/caller-locality.ts'
import { aperture, rendezvousSubset, type SubsetOptions } from './subset.ts'

/**
 * Which of a service's endpoints a client calls: all, or a subset.
 *
 * A client that prefers its own zone has a subset of that, and one of all others for what spills: of a subset of
 * the whole, too few would be in its zone. Undici opens connections to those only that are called.
 */
export function membersOf(
  endpoints: readonly Endpoint[],
  subset: SubsetOptions | undefined,
  standpoint: Standpoint | undefined,
): readonly Endpoint[] {
  if (subset === undefined) return endpoints
  const locality = standpoint?.locality
  const peers = standpoint?.allPeers
  if (locality === undefined) return subsetOf(endpoints, subset, peers, undefined)
  const isLocal = (endpoint: Endpoint): boolean => locality.zoneOf(endpoint) === locality.own
  const local = endpoints.filter(isLocal)
  if (local.length === 0) return subsetOf(endpoints, subset, peers, locality)
  const elsewhere = endpoints.filter((endpoint) => !isLocal(endpoint))
  return [
    ...subsetOf(local, subset, peers?.filter(isLocal), locality),
    ...rendezvousSubset(elsewhere, subset.size, subset.clientId),
  ]
}

/** By the own place among the peers, which is even; without one by hashes. */
function subsetOf(
  endpoints: readonly Endpoint[],
  { size, clientId }: SubsetOptions,
  peers: readonly Endpoint[] | undefined,
  locality: Locality | undefined,
): readonly Endpoint[] {
  if (peers === undefined || locality === undefined) return rendezvousSubset(endpoints, size, clientId)
  const sorted = peers.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
  const index = sorted.findIndex((peer) => locality.isSelf(peer))
  if (index < 0) return rendezvousSubset(endpoints, size, clientId)
  return aperture(endpoints, size, index, sorted.length)
}
