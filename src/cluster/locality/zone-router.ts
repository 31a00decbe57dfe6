import type { Random } from '../../core/clock.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import type { Locality } from './locality.ts'
import type { Upstream } from '../upstream.ts'
import { ZoneLatency } from './zone-latency.ts'
import { zoneShares, type ByZone } from './zone-shares.ts'

/** Some calls go to other zones always: who never goes there does not know how they are. */
const MOST_LOCAL = 0.98
/** So many times the calls that usually wait at a local task, when another is sent there, are a queue. */
const CROWDED = 3
/** Time constant of "usually": a task that hangs must not make a queue usual before it is noticed. */
const USUAL_TAU_MS = 30_000
/** What a task elsewhere may cost less than a crowded local one, for the call to stay all the same. */
const DEARER = 2

interface Group {
  readonly upstreams: readonly Upstream[]
  /** Of the calls that leave the own zone. */
  readonly share: number
}

const NOBODY: readonly Upstream[] = []

/**
 * Sends calls to tasks in the own zone as long as these can take them, and the rest elsewhere: never a cliff.
 *
 * Three things move calls, by how fast they are known: the capacity of the zones (`zone-shares.ts`), at once when a
 * task is ejected or leaves; a queue at the very task that was picked, before the first slow answer is in; and
 * latency (`zone-latency.ts`), within seconds. The cost by which p2c compares tasks is of no use between zones:
 * tasks elsewhere have no calls waiting just because this client sends them none.
 */
export class Zones {
  readonly locality: Locality
  readonly #random: Random
  readonly #latency: ZoneLatency
  readonly #local = new Set<Upstream>()
  /** Tasks of the other zones. */
  readonly #away = new Set<Upstream>()
  #localAvailable: readonly Upstream[] = NOBODY
  #elsewhere: readonly Upstream[] = NOBODY
  /** By zone, where the callers' zones are known: then it matters which of the others has room. */
  #groups: readonly Group[] = []
  #shares: ByZone = new Map()
  #usuallyPending = 0
  /** At the task that was picked last, and when. */
  #pendingSince = 0
  #pickedAt: number

  constructor(locality: Locality, random: Random, now: number) {
    this.locality = locality
    this.#random = random
    this.#latency = new ZoneLatency(now)
    this.#pickedAt = now
  }

  /** Shares of the calls that the zones should get, by capacity; without what latency holds back. */
  get shares(): ByZone {
    return this.#shares
  }

  /** The share of the calls that stays in the own zone at this moment; 1 where there is no other. */
  get localShare(): number {
    if (this.#elsewhere.length === 0) return 1
    if (this.#localAvailable.length === 0) return 0
    return Math.min(MOST_LOCAL, this.#shares.get(this.locality.own) ?? 0) * this.#latency.share
  }

  isLocal(upstream: Upstream): boolean {
    return this.#local.has(upstream)
  }

  /**
   * Tasks or callers are others, or a task has been ejected or readmitted.
   * @param endpoints all that there are, of which `tasks` may be a subset
   */
  recount(
    endpoints: readonly Endpoint[],
    tasks: readonly Upstream[],
    available: readonly Upstream[],
    callers: readonly Endpoint[] | undefined,
  ): void {
    const { own } = this.locality
    const zoneOf = ({ endpoint }: Upstream): string => this.locality.zoneOf(endpoint)
    this.#local.clear()
    this.#away.clear()
    for (const task of tasks) (zoneOf(task) === own ? this.#local : this.#away).add(task)
    this.#localAvailable = available.filter((task) => this.#local.has(task))
    this.#elsewhere = available.filter((task) => !this.#local.has(task))
    this.#shares = zoneShares(
      this.#capacity(endpoints, tasks, available),
      callers === undefined ? undefined : countBy(callers, (caller) => this.locality.zoneOf(caller)),
      own,
    )
    const away = 1 - (this.#shares.get(own) ?? 0)
    this.#groups =
      callers === undefined || away === 0
        ? []
        : Array.from(this.#shares, ([zone, share]) => ({
            upstreams: this.#elsewhere.filter((task) => zoneOf(task) === zone),
            share: zone === own ? 0 : share / away,
          }))
  }

  /** Where the next call should go; undefined: anywhere, as there is but one zone. */
  draw(): readonly Upstream[] | undefined {
    if (this.#localAvailable.length === 0 || this.#elsewhere.length === 0) return undefined
    if (this.#random.next() < this.localShare) return this.#localAvailable
    return this.#drawElsewhere()
  }

  /**
   * Whether the picked task has so many calls under way that others should be looked at.
   * To be asked once for each pick: it is also how it is known what is usual.
   */
  isCrowded(picked: Upstream, now: number): boolean {
    if (!this.#local.has(picked)) return false
    const { pending } = picked
    const isCrowded = pending > CROWDED * (1 + this.#usuallyPending)
    // Over time, not over picks: where calls come in bursts, most of the time nearly all of a burst is under way. And
    // crowds count as well, or one that was there from the beginning would never be usual.
    const weight = 1 - Math.exp((this.#pickedAt - now) / USUAL_TAU_MS)
    this.#usuallyPending += (this.#pendingSince - this.#usuallyPending) * weight
    this.#pendingSince = pending + 1
    this.#pickedAt = now
    return isCrowded
  }

  /** Available tasks of the other zones. */
  get elsewhere(): readonly Upstream[] {
    return this.#elsewhere
  }

  /** The better place for a call, of a crowded local task and one elsewhere. */
  better(local: Upstream, elsewhere: Upstream, now: number): Upstream {
    return elsewhere.cost(now) * DEARER < local.cost(now) ? elsewhere : local
  }

  /** Takes in how long an attempt took, if that tells anything of the zone. */
  observe(upstream: Upstream, outcome: Outcome, now: number): void {
    if (this.#elsewhere.length === 0) return
    const isLocal = this.#local.has(upstream)
    // Gone meanwhile, or the load balancer: neither near nor far.
    if (!isLocal && !this.#away.has(upstream)) return
    if (outcome.kind === 'response' && outcome.status < 500)
      this.#latency.observe(isLocal, outcome.latencyMs, now)
    if (outcome.kind === 'cancelled' || (outcome.kind === 'timeout' && outcome.phase === 'headers'))
      this.#latency.observeAtLeast(isLocal, outcome.latencyMs, now)
  }

  #drawElsewhere(): readonly Upstream[] {
    if (this.#groups.length === 0) return this.#elsewhere
    let left = this.#random.next()
    for (const { upstreams, share } of this.#groups) {
      left -= share
      if (left < 0 && upstreams.length > 0) return upstreams
    }
    return this.#elsewhere
  }

  /** Weight by zone of all endpoints, in as far as those that are called are available. */
  #capacity(
    endpoints: readonly Endpoint[],
    tasks: readonly Upstream[],
    available: readonly Upstream[],
  ): ByZone {
    const zoneOf = (endpoint: Endpoint): string => this.locality.zoneOf(endpoint)
    const all = weigh(endpoints, zoneOf)
    const called = weigh(
      tasks.map(({ endpoint }) => endpoint),
      zoneOf,
    )
    const able = weigh(
      available.map(({ endpoint }) => endpoint),
      zoneOf,
    )
    return new Map(
      Array.from(able, ([zone, weight]) => [zone, ((all.get(zone) ?? 0) * weight) / (called.get(zone) ?? 1)]),
    )
  }
}

function weigh(endpoints: readonly Endpoint[], zoneOf: (endpoint: Endpoint) => string): ByZone {
  return sumBy(endpoints, zoneOf, ({ weight }) => weight)
}

function countBy(endpoints: readonly Endpoint[], zoneOf: (endpoint: Endpoint) => string): ByZone {
  return sumBy(endpoints, zoneOf, () => 1)
}

function sumBy(
  endpoints: readonly Endpoint[],
  zoneOf: (endpoint: Endpoint) => string,
  valueOf: (endpoint: Endpoint) => number,
): ByZone {
  const sums = new Map<string, number>()
  for (const endpoint of endpoints) {
    const zone = zoneOf(endpoint)
    sums.set(zone, (sums.get(zone) ?? 0) + valueOf(endpoint))
  }
  return sums
}
