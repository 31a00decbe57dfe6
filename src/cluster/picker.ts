import type { Balancer, PickHint } from '../balancer/balancer.ts'
import type { ZoneRouter } from './locality/zone-router.ts'
import type { SlowStart } from './slow-start.ts'
import type { Upstream } from './upstream.ts'

/** Picks the task for a call: by zone, then by the balancer, past tasks that are full or start slowly. */
export class Picker {
  /** undefined where zones do not matter. */
  zones: ZoneRouter | undefined
  readonly #balancer: Balancer
  readonly #slowStart: SlowStart
  readonly #maxPending: number

  /** @param maxPending attempts that a task may have pending; Infinity: any number */
  constructor(balancer: Balancer, slowStart: SlowStart, maxPending: number) {
    this.zones = undefined
    this.#balancer = balancer
    this.#slowStart = slowStart
    this.#maxPending = maxPending
  }

  /** Prefers the caller's zone while its tasks can take the call. undefined if all candidates are full. */
  pickNearby(candidates: readonly Upstream[], hint: PickHint): Upstream | undefined {
    const { zones } = this
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
   * The balancer's pick, or another one if that task is full or its slow start leaves the call to others. undefined if
   * all are full.
   * @param alternatives where that other one is picked from
   */
  pick(
    candidates: readonly Upstream[],
    hint: PickHint,
    alternatives: readonly Upstream[] = candidates,
  ): Upstream | undefined {
    const picked = this.#balance(candidates, hint)
    if (picked === undefined) return undefined
    const isFull = picked.pending >= this.#maxPending
    if (!isFull && this.#slowStart.admit(picked, hint.now)) return picked
    const others = alternatives.filter(
      (upstream) => upstream !== picked && upstream.pending < this.#maxPending,
    )
    return this.#balance(others, hint) ?? (isFull ? undefined : picked)
  }

  /** A balancer returns one of its candidates, and these are upstreams. */
  #balance(candidates: readonly Upstream[], hint: PickHint): Upstream | undefined {
    return this.#balancer.pick(candidates, hint) as Upstream | undefined
  }
}
