/**
 * Which share of a client's calls should go to each zone, so that as many as possible stay in its own and no zone
 * gets more than it can take.
 *
 * Where the callers' zones are known it is Envoy's zone-aware routing: while the own zone has at least the share of
 * the capacity that it has of the callers, all calls stay; else they stay in that proportion, and the rest is spread
 * over the zones that have more capacity than callers. ("Zone aware routing", Envoy's documentation; first described
 * by M. Klein for Lyft's mesh, 2016.)
 *
 * Where they are not, callers are taken to be spread evenly over the zones, as ECS spreads the tasks of a service;
 * and because that is a guess, the own zone is left only when its tasks would get more than 1.2 times what they would
 * get if all were called alike.
 */
import { ELSEWHERE } from './locality.ts'

/** By zone: available weight of tasks, or number of callers. */
export type ByZone = ReadonlyMap<string, number>

/**
 * How much more than their part the own tasks may get, if the callers are as many as is guessed. Not the 1.4 that the
 * fallback tier goes by: of nine tasks at half load in three zones, two of one zone leave; what is left of it is then
 * at 90 % of what it can bear, with 1.6 times the 99th percentile; with 1.2 at 77 %, and 1.13 times.
 */
const TOLERANCE = 1.2

/** How many zones there are taken to be, where it is known only which endpoints are in the own one. */
const ZONES_UNKNOWN = 3

/**
 * @param capacity of zones with none, the entry may be missing
 * @param callers undefined where they are not known
 * @returns shares of the calls that add up to 1; empty where there is no capacity at all
 */
export function zoneShares(capacity: ByZone, callers: ByZone | undefined, own: string): ByZone {
  const total = sum(capacity)
  if (total === 0) return new Map()
  const callersShare = callers === undefined ? evenly(capacity, own) : measured(callers, own)
  const tolerance = callers === undefined ? TOLERANCE : 1
  const local = Math.min(1, (tolerance * (capacity.get(own) ?? 0)) / total / (callersShare.get(own) ?? 1))
  const others = [...capacity].filter(([zone]) => zone !== own)
  const room = others.map(([zone, weight]) => Math.max(0, weight / total - (callersShare.get(zone) ?? 0)))
  const weights = room.some((share) => share > 0) ? room : others.map(([, weight]) => weight)
  const all = weights.reduce((one, other) => one + other, 0)
  const shares = new Map([[own, all === 0 ? 1 : local]])
  for (const [index, [zone]] of others.entries())
    shares.set(zone, all === 0 ? 0 : ((1 - local) * (weights[index] ?? 0)) / all)
  return shares
}

function evenly(capacity: ByZone, own: string): ByZone {
  const others = [...capacity.keys()].filter((zone) => zone !== own)
  const zones = capacity.has(ELSEWHERE) ? ZONES_UNKNOWN : others.length + 1
  const share = 1 / zones
  return new Map([[own, share], ...others.map((zone) => [zone, (1 - share) / others.length] as const)])
}

/** This client is a caller itself, also while discovery does not know it yet. */
function measured(callers: ByZone, own: string): ByZone {
  const counts = new Map(callers)
  counts.set(own, Math.max(1, counts.get(own) ?? 0))
  const total = sum(counts)
  return new Map(Array.from(counts, ([zone, count]) => [zone, count / total]))
}

function sum(byZone: ByZone): number {
  let total = 0
  for (const value of byZone.values()) total += value
  return total
}
