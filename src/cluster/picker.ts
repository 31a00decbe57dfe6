import type { Balancer, PickHint } from '../balancer/balancer.ts'
import type { Random } from '../core/clock.ts'
import type { Endpoint } from '../discovery/endpoint.ts'
import type { Locality } from './locality/locality.ts'
import { ZoneRouter } from './locality/zone-router.ts'
import type { SlowStart } from './slow-start.ts'
import type { Upstream } from './upstream.ts'

/** What the cluster may know of the call that it picks for. */
export interface CallHint extends PickHint {
  /** Whether the call can go to an endpoint, on this port, as far as its caller knows [to all]. */
  readonly accepts?: ((endpoint: Endpoint, port: number) => boolean) | undefined
}

/** Whether the call's caller lets it go there. */
export function isAccepted({ endpoint, port }: Upstream, { accepts }: CallHint): boolean {
  return accepts === undefined || accepts(endpoint, port)
}

/**
 * Picks the task for a call: by zone, then by the balancer, past tasks that are full, start slowly, or are not accepted by
 * the call's caller.
 */
export class Picker {
  #zones: ZoneRouter | undefined = undefined
  readonly #balancer: Balancer
  readonly #slowStart: SlowStart
  readonly #maxPending: number
  readonly #random: Random

  /** @param maxPending attempts that a task may have pending; Infinity: any number */
  constructor(balancer: Balancer, slowStart: SlowStart, maxPending: number, random: Random) {
    this.#balancer = balancer
    this.#slowStart = slowStart
    this.#maxPending = maxPending
    this.#random = random
  }

  /** Starts anew when the caller's locality has changed: latencies and queues of the old zones say nothing. */
  moveTo(locality: Locality | undefined, now: number): void {
    if (locality === this.#zones?.locality) return
    // Calls with the same key go to the same task, whatever its zone.
    const isKeyed = this.#balancer.keyOf !== undefined
    this.#zones = locality === undefined || isKeyed ? undefined : new ZoneRouter(locality, this.#random, now)
  }

  /** How calls are divided between zones; undefined if the caller's zone is unknown or does not matter. */
  get zones(): ZoneRouter | undefined {
    return this.#zones
  }

  /** Whether it has as many attempts pending as it may have. */
  isFull(upstream: Upstream): boolean {
    return upstream.pending >= this.#maxPending
  }

  /** Prefers the caller's zone while its tasks can take the call. undefined if none is able to. */
  pickNearby(candidates: readonly Upstream[], hint: CallHint): Upstream | undefined {
    const zones = this.#zones
    const group = zones?.draw()
    if (zones === undefined || group === undefined) return this.pick(candidates, hint)
    const picked = this.pick(group, hint, candidates)
    if (picked === undefined) return undefined
    const isCrowded = zones.isCrowded(picked)
    zones.observeQueue(picked, hint.now)
    if (!isCrowded) return picked
    const other = this.pick(zones.elsewhere, hint)
    return other === undefined ? picked : zones.cheaper(picked, other, hint.now)
  }

  /**
   * The balancer's pick, or another one if that task is not able to take the call, or its slow start leaves it to others.
   * undefined if none is able to.
   * @param alternatives where that other one is picked from
   */
  pick(
    candidates: readonly Upstream[],
    hint: CallHint,
    alternatives: readonly Upstream[] = candidates,
  ): Upstream | undefined {
    const picked = this.#balance(candidates, hint)
    if (picked === undefined) return undefined
    const isAble = this.#isAble(picked, hint)
    if (isAble && this.#slowStart.admit(picked, hint.now)) return picked
    const others = alternatives.filter((upstream) => upstream !== picked && this.#isAble(upstream, hint))
    return this.#balance(others, hint) ?? (isAble ? picked : undefined)
  }

  #isAble(upstream: Upstream, hint: CallHint): boolean {
    return !this.isFull(upstream) && isAccepted(upstream, hint)
  }

  /** A balancer returns one of its candidates, and these are upstreams. */
  #balance(candidates: readonly Upstream[], hint: PickHint): Upstream | undefined {
    return this.#balancer.pick(candidates, hint) as Upstream | undefined
  }
}
