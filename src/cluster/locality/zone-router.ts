import type { Random } from '../../core/clock.ts'
import { isGood } from '../../core/classification.ts'
import { isLatencySample, type Outcome } from '../../core/outcome.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import type { Locality } from './locality.ts'
import type { Upstream } from '../upstream.ts'
import { ZoneLatency } from './zone-latency.ts'
import { zoneShares, type ByZone } from './zone-shares.ts'

/** Sends 2 % of the calls to other zones to keep their estimates fresh. */
const MAX_LOCAL_SHARE = 0.98
/**
 * Crowded: pending exceeds 3 × the usual. Without this rule success falls from 99.75 to 99.26 % in `zone-lost`, and from
 * 99.03 to 98.05 % in `zone-hangs` (docs/decisions/016).
 */
const CROWDED_FACTOR = 3
/** Time constant of the usual: a task that hangs must be noticed before its queue becomes usual. */
const USUAL_TAU_MS = 30_000
/** A crowded local task keeps the call unless it costs this many times as much as a task elsewhere. */
const MIN_COST_RATIO = 2

interface Group {
  readonly upstreams: readonly Upstream[]
  /** Of the calls that leave the caller's zone. */
  readonly share: number
}

const NONE: readonly Upstream[] = []

/**
 * Sends calls to tasks in the caller's zone while they can take them, and gradually more elsewhere when they cannot.
 *
 * Three signals move calls, the fastest first: the capacity of the zones (`zone-shares.ts`), at once when a task is
 * ejected or deregistered; a queue at the picked task, before its first slow answer; and latency (`zone-latency.ts`),
 * within seconds. p2c's cost cannot compare zones: tasks elsewhere have no pending calls because this client sends them
 * none.
 */
export class ZoneRouter {
  readonly locality: Locality
  readonly #random: Random
  readonly #latency: ZoneLatency
  /** Whether a task is in the caller's zone. */
  readonly #isLocal = new Map<Upstream, boolean>()
  #localAvailable: readonly Upstream[] = NONE
  #elsewhere: readonly Upstream[] = NONE
  /** By zone, if the callers' zones are known: then the share of each zone depends on its spare capacity. */
  #groups: readonly Group[] = []
  #shares: ByZone = new Map()
  #usuallyPending = 0
  /** Pending at the task that was picked last, this call included. */
  #lastPending = 0
  #pickedAt = 0

  constructor(locality: Locality, random: Random, now: number) {
    this.locality = locality
    this.#random = random
    this.#latency = new ZoneLatency(now)
    this.#pickedAt = now
  }

  /** Shares of the calls by capacity alone. `localShare` also considers latency. */
  get shares(): ByZone {
    return this.#shares
  }

  /** Share of the calls that stays in the caller's zone now; 1 if there is no other zone. */
  get localShare(): number {
    if (this.#elsewhere.length === 0) return 1
    if (this.#localAvailable.length === 0) return 0
    return Math.min(MAX_LOCAL_SHARE, this.#shares.get(this.locality.own) ?? 0) * this.#latency.share
  }

  isLocal(upstream: Upstream): boolean {
    return this.#isLocal.get(upstream) === true
  }

  /**
   * Takes in other tasks, callers or ejections.
   * @param endpoints all of the service; `tasks` may be a subset
   */
  recount(
    endpoints: readonly Endpoint[],
    tasks: readonly Upstream[],
    available: readonly Upstream[],
    callers: readonly Endpoint[] | undefined,
  ): void {
    const { own } = this.locality
    const zoneOf = ({ endpoint }: Upstream): string => this.locality.zoneOf(endpoint)
    this.#isLocal.clear()
    for (const task of tasks) this.#isLocal.set(task, zoneOf(task) === own)
    this.#localAvailable = available.filter((task) => this.isLocal(task))
    this.#elsewhere = available.filter((task) => !this.isLocal(task))
    const capacity = this.#capacity(endpoints, tasks, available)
    const callersByZone = callers === undefined ? undefined : this.#sumByZone(callers, () => 1)
    this.#shares = zoneShares(capacity, callersByZone, own)
    const away = 1 - (this.#shares.get(own) ?? 0)
    this.#groups =
      callers === undefined || away === 0
        ? []
        : Array.from(this.#shares, ([zone, share]) => ({
            upstreams: this.#elsewhere.filter((task) => zoneOf(task) === zone),
            share: zone === own ? 0 : share / away,
          }))
  }

  /** Draws the tasks that the next call may go to; undefined: all, because only one zone has available tasks. */
  draw(): readonly Upstream[] | undefined {
    if (this.#localAvailable.length === 0 || this.#elsewhere.length === 0) return undefined
    if (this.#random.next() < this.localShare) return this.#localAvailable
    return this.#drawElsewhere()
  }

  /** Whether a local task has so many pending calls that a task elsewhere may be better. */
  isCrowded(picked: Upstream): boolean {
    return picked.pending > CROWDED_FACTOR * (1 + this.#usuallyPending) && this.isLocal(picked)
  }

  /** Learns from each local pick how many calls are usually pending. */
  observeQueue(picked: Upstream, now: number): void {
    if (!this.isLocal(picked)) return
    // A mean over time, not over picks: if calls come in bursts, most of a burst is pending most of the time. Crowds
    // count as well, or a crowd that exists from the start would never be usual.
    const weight = 1 - Math.exp((this.#pickedAt - now) / USUAL_TAU_MS)
    this.#usuallyPending += (this.#lastPending - this.#usuallyPending) * weight
    this.#lastPending = picked.pending + 1
    this.#pickedAt = now
  }

  /** Available tasks of the other zones. */
  get elsewhere(): readonly Upstream[] {
    return this.#elsewhere
  }

  /** The cheaper one of a crowded local task and one elsewhere; the local one unless it costs twice as much. */
  cheaper(local: Upstream, elsewhere: Upstream, now: number): Upstream {
    return elsewhere.cost(now) * MIN_COST_RATIO < local.cost(now) ? elsewhere : local
  }

  /** Takes in the latency of an attempt, if it says something about the zone. */
  observe(upstream: Upstream, outcome: Outcome, now: number): void {
    if (this.#elsewhere.length === 0) return
    const isLocal = this.#isLocal.get(upstream)
    // The load balancer, or a task that left the set.
    if (isLocal === undefined) return
    if (outcome.kind === 'response' && isGood(outcome) && isLatencySample(outcome))
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

  /** Weight of all endpoints by zone, times the share of the called ones that is available. */
  #capacity(
    endpoints: readonly Endpoint[],
    tasks: readonly Upstream[],
    available: readonly Upstream[],
  ): ByZone {
    const weigh = (some: readonly Endpoint[]): ByZone => this.#sumByZone(some, ({ weight }) => weight)
    const all = weigh(endpoints)
    const called = weigh(tasks.map(({ endpoint }) => endpoint))
    const able = weigh(available.map(({ endpoint }) => endpoint))
    return new Map(
      Array.from(able, ([zone, weight]) => [zone, ((all.get(zone) ?? 0) * weight) / (called.get(zone) ?? 1)]),
    )
  }

  #sumByZone(endpoints: readonly Endpoint[], valueOf: (endpoint: Endpoint) => number): ByZone {
    const sums = new Map<string, number>()
    for (const endpoint of endpoints) {
      const zone = this.locality.zoneOf(endpoint)
      sums.set(zone, (sums.get(zone) ?? 0) + valueOf(endpoint))
    }
    return sums
  }
}
