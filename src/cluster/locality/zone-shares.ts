/**
 * The share of a client's calls for each zone: as many as possible stay in the caller's zone, and no zone gets more than
 * it can take.
 *
 * If the callers' zones are known, this is Envoy's zone-aware routing. All calls stay while the caller's zone has at
 * least the share of the capacity that it has of the callers. Otherwise they stay in that proportion, and the rest is
 * spread over the zones with more capacity than callers. ("Zone aware routing", Envoy's documentation; first described
 * by M. Klein for Lyft's mesh, 2016.)
 *
 * If they are unknown, callers are assumed to be spread evenly over the zones, as ECS spreads the tasks of a service.
 * Because that is a guess, calls leave the caller's zone only if its tasks would get more than 1.2 times an equal share.
 */
import { ELSEWHERE } from './locality.ts'

/** By zone: available weight of tasks, or number of callers. */
export type ByZone = ReadonlyMap<string, number>

/**
 * How many times their equal share the local tasks may get if the number of callers is a guess. The fallback tier uses
 * 1.4, which is too much here. Nine tasks run at half load in three zones, and two of one zone leave: with 1.4 the third
 * runs at 90 % of its capacity, with 1.6 times the 99th percentile; with 1.2 at 77 %, with 1.13 times.
 */
const MAX_OVERLOAD = 1.2

/** Assumed number of zones if it is known only which endpoints are in the caller's zone. */
const ASSUMED_ZONES = 3

/**
 * @param capacity a zone without capacity may be missing
 * @param callers undefined: unknown
 * @returns shares of the calls, which add up to 1; empty if there is no capacity
 */
export function zoneShares(capacity: ByZone, callers: ByZone | undefined, own: string): ByZone {
  const total = sum(capacity.values())
  if (total === 0) return new Map()
  const callersShare = callers === undefined ? evenly(capacity, own) : measured(callers, own)
  const maxOverload = callers === undefined ? MAX_OVERLOAD : 1
  const local = Math.min(1, (maxOverload * (capacity.get(own) ?? 0)) / total / (callersShare.get(own) ?? 1))
  const others = [...capacity].filter(([zone]) => zone !== own)
  const room = others.map(([zone, weight]) => Math.max(0, weight / total - (callersShare.get(zone) ?? 0)))
  const weights = room.some((share) => share > 0) ? room : others.map(([, weight]) => weight)
  const all = sum(weights.values())
  const shares = new Map([[own, all === 0 ? 1 : local]])
  for (const [index, [zone]] of others.entries())
    shares.set(zone, all === 0 ? 0 : ((1 - local) * (weights[index] ?? 0)) / all)
  return shares
}

function evenly(capacity: ByZone, own: string): ByZone {
  const others = [...capacity.keys()].filter((zone) => zone !== own)
  const zones = capacity.has(ELSEWHERE) ? ASSUMED_ZONES : others.length + 1
  const share = 1 / zones
  return new Map([[own, share], ...others.map((zone) => [zone, (1 - share) / others.length] as const)])
}

/** Counts this client as a caller, too, while discovery does not know it yet. */
function measured(callers: ByZone, own: string): ByZone {
  const counts = new Map(callers)
  counts.set(own, Math.max(1, counts.get(own) ?? 0))
  const total = sum(counts.values())
  return new Map(Array.from(counts, ([zone, count]) => [zone, count / total]))
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
