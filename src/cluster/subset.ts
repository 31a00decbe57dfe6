/**
 * Which of a large service's endpoints a client calls, so that 1,000 clients of 1,000 tasks hold 20,000 connections and
 * not a million. There are two algorithms. Both are pure and give the same result in every process.
 *
 * `rendezvousSubset` needs a name for the client. One endpoint more or less moves at most one member; one client more or
 * less moves none. Load over endpoints is as uneven as randomness makes it: standard deviation ÷ mean is
 * sqrt((1 - size ÷ endpoints) ÷ k), where k = clients × size ÷ endpoints is the number of clients of an endpoint: 22 %
 * for 20, 25 % for 16.
 *
 * `aperture` needs the client's place among all clients. Load is even, however few clients there are. One endpoint more
 * or less moves about one member and two at most, except when clients need one arc more or less each: then it moves
 * endpoints ÷ clients members. One client more or less moves about as many of every client.
 *
 * So rendezvous suits 16 clients or more for each endpoint, and the aperture fewer. With 6 clients of 20 tasks and size 5
 * (`subset-few`), load deviates by 2.5 % with the aperture and by 61 % without, where some tasks get nothing
 * (docs/decisions/016).
 */
import { hashOf, hashOfBoth } from '../balancer/hash.ts'
import { placeOf } from '../discovery/endpoint-set.ts'
import type { Endpoint } from '../discovery/endpoint.ts'
import type { CallerLocality } from './locality/caller-locality.ts'
import type { Locality } from './locality/locality.ts'

/** Each client calls a stable subset of a large service's tasks. */
export interface SubsetOptions {
  /** How many endpoints each client calls. */
  readonly size: number
  /** Differs from client to client, and stays while a client lives: the task's id [a random one]. */
  readonly clientId: string
}

/** A smaller part of an endpoint is a rounding error: it would open a connection that is never used. */
const MIN_PART = 1e-6

/**
 * The endpoints that a client calls: all, or a subset. A client that prefers its zone has a subset of that zone and one
 * of all others for what spills. A subset of the whole would have too few members in the caller's zone.
 */
export function membersOf(
  endpoints: readonly Endpoint[],
  subset: SubsetOptions | undefined,
  caller: CallerLocality | undefined,
): readonly Endpoint[] {
  if (subset === undefined) return endpoints
  const locality = caller?.locality
  const peers = caller?.allPeers
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

/** The aperture if the caller's place among its peers is known, else rendezvous hashing. */
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

/**
 * The `size` endpoints with the highest hash of client and endpoint, in their given order.
 *
 * Each hash depends on one endpoint alone: an endpoint that joins replaces the lowest member or none, one that leaves
 * makes room for the highest of the others. Weights do not count: a balancer shares by weight among the members, and a
 * heavy endpoint that is a member more often would get its weight twice.
 * Thaler, Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998. The shuffles of "Site
 * Reliability Engineering" (O'Reilly, 2016, chapter 20) move most members when the number of endpoints changes: Ward,
 * Wankadia, Guliani, "Reinventing Backend Subsetting at Google", ACM Queue 20(5), 2022.
 * @param size number of members, from 1; all endpoints if there are no more
 * @param clientId differs from client to client and stays while a client lives: the task's id
 */
export function rendezvousSubset(
  endpoints: readonly Endpoint[],
  size: number,
  clientId: string,
): readonly Endpoint[] {
  if (endpoints.length <= size) return endpoints
  const client = hashOf(clientId)
  const members = placesOf(endpoints)
    .map((place) => ({ place, rank: hashOfBoth(place.hash, client) }))
    .toSorted((a, b) => b.rank - a.rank || byName(a.place, b.place))
    .slice(0, size)
  const chosen = new Set(members.map(({ place }) => place.endpoint))
  return endpoints.filter((endpoint) => chosen.has(endpoint))
}

/**
 * Finagle's deterministic aperture: endpoints and clients are on one ring, and each client calls the endpoints within
 * its arc.
 *
 * The arc of client i of n begins at i ÷ n and is as many n-ths long as `size` endpoints take. For every n, each point of
 * the ring is covered by the same number of arcs, so all endpoints get the same load. An endpoint that lies in the arc
 * only in part is a member with that part of its weight, as another object; all others are the given objects. Endpoints
 * have arcs by weight, so a client's share of the whole is the same everywhere.
 *
 * Endpoints are in the order of their hashes. Neighbours by address are in one zone, and often of one deployment.
 * Finagle's user guide, "Aperture Load Balancers"; "Deterministic Aperture: A distributed, load balancing algorithm",
 * Twitter's engineering blog, 2019; arcs by weight: N. Vartolomei, "Weighted Deterministic Aperture", 2020.
 * @param size smallest number of members on average, from 1; all endpoints if there are no more
 * @param peerIndex the client's place among all clients, in an order that is the same for all; from 0
 */
export function aperture(
  endpoints: readonly Endpoint[],
  size: number,
  peerIndex: number,
  peerCount: number,
): readonly Endpoint[] {
  const arcs = Math.ceil((size * peerCount) / endpoints.length)
  if (endpoints.length <= size || arcs >= peerCount) return endpoints
  const total = endpoints.reduce((sum, { weight }) => sum + weight, 0)
  const from = (peerIndex / peerCount) * total
  const to = ((peerIndex + arcs) / peerCount) * total
  const members: Endpoint[] = []
  let start = 0
  for (const { endpoint } of placesOf(endpoints).toSorted((a, b) => a.hash - b.hash || byName(a, b))) {
    const end = start + endpoint.weight
    // The arc may pass the end of the ring and continue at its beginning.
    const weight = overlap(from, to, start, end) + overlap(from - total, to - total, start, end)
    start = end
    if (weight > MIN_PART * endpoint.weight)
      members.push(weight > (1 - MIN_PART) * endpoint.weight ? endpoint : { ...endpoint, weight })
  }
  return members
}

interface Place {
  readonly endpoint: Endpoint
  readonly name: string
  readonly hash: number
}

function placesOf(endpoints: readonly Endpoint[]): readonly Place[] {
  return endpoints.map((endpoint) => {
    const name = `${endpoint.address} ${endpoint.port ?? ''}`
    return { endpoint, name, hash: hashOf(name) }
  })
}

/** For endpoints with the same hash. */
function byName(one: Place, other: Place): number {
  if (one.name === other.name) return 0
  return one.name < other.name ? -1 : 1
}

function overlap(from: number, to: number, start: number, end: number): number {
  return Math.max(0, Math.min(to, end) - Math.max(from, start))
}
