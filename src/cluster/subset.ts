/**
 * Which of a large fleet's endpoints one client calls, so that 1,000 clients of 1,000 tasks hold 20,000 connections
 * and not a million. Two ways, by what a client knows; both are pure, and say the same in every process.
 *
 * `rendezvousSubset` needs a name of one's own. An endpoint more or less moves at most one member, a client more or
 * less moves none. Load over endpoints is as uneven as chance has it: standard deviation ÷ mean is
 * sqrt((1 - size ÷ endpoints) ÷ k), where k = clients × size ÷ endpoints is the number of clients that meet at an
 * endpoint: 22 % for 20, 25 % for 16.
 *
 * `aperture` needs one's place among all clients. Load is even, however few there are. An endpoint more or less
 * moves about one member and two at most, but for the moment when clients need one arc more or less each, which is
 * endpoints ÷ clients members; a client more or less moves about as many of every client.
 *
 * So rendezvous where some 16 clients or more meet at an endpoint, the aperture where they are fewer.
 */
import { hashOf, hashOfBoth } from '../balancer/hash.ts'
import type { Endpoint } from '../discovery/endpoint.ts'

/** Each client calls a stable subset of a large service's tasks. */
export interface SubsetOptions {
  /** How many endpoints each client calls. */
  readonly size: number
  /** Differs from client to client, and stays while a client lives: the task's id [a random one]. */
  readonly clientId: string
}

/** Parts of an endpoint that are of rounding: for them a connection would be opened, and never used. */
const SLIVER = 1e-6

/**
 * The `size` endpoints with the highest hash of client and endpoint, in the order in which they were given.
 *
 * Each endpoint's hash is its own affair: one that joins takes the place of the lowest member or none, one that
 * leaves makes room for the highest of the others.
 * Weights do not count here: a balancer shares by weight among the members, and a heavy endpoint that were a member
 * more often, too, would get its weight twice.
 * Thaler, Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998. What it has over
 * the shuffles of "Site Reliability Engineering" (O'Reilly, 2016, chapter 20) is that these move most members when
 * the number of endpoints changes: Ward, Wankadia, Guliani, "Reinventing Backend Subsetting at Google", ACM Queue
 * 20(5), 2022.
 * @param size how many, from 1; all where there are no more
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
 * The deterministic aperture of Finagle: endpoints and clients on one ring, and each client calls those within its
 * own arc of it.
 *
 * Client i of n has the arc from i ÷ n on, as many n-ths long as it takes for `size` endpoints. Whatever n is, each
 * point of the ring is covered by the same number of arcs, so that all endpoints get the same load. An endpoint at
 * an end of the arc that lies in it only by a part is a member of that part of its weight: it is another object,
 * with another `weight`; all others are the objects that were given.
 * Endpoints have arcs by weight, so that a client's share of the whole is the same everywhere on the ring.
 *
 * They lie in the order of their hashes, not of their addresses: neighbours by address are in one zone, and often
 * came in one deployment.
 * Finagle's user guide, "Aperture Load Balancers"; "Deterministic Aperture: A distributed, load balancing algorithm",
 * Twitter's engineering blog, 2019; arcs by weight: N. Vartolomei, "Weighted Deterministic Aperture", 2020.
 * @param size how many at least on average, from 1; all where there are no more
 * @param peerIndex this client's place among all clients, sorted in a way that is the same for all; from 0
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
    // The arc may go past the end of the ring, and on from its beginning.
    const weight = overlap(from, to, start, end) + overlap(from - total, to - total, start, end)
    start = end
    if (weight > SLIVER * endpoint.weight)
      members.push(weight > (1 - SLIVER) * endpoint.weight ? endpoint : { ...endpoint, weight })
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

/** For two whose hashes meet by chance. */
function byName(one: Place, other: Place): number {
  if (one.name === other.name) return 0
  return one.name < other.name ? -1 : 1
}

function overlap(from: number, to: number, start: number, end: number): number {
  return Math.max(0, Math.min(to, end) - Math.max(from, start))
}
