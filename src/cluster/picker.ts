import type { Balancer, PickHint } from '../balancer/balancer.ts'
import type { SlowStart } from './slow-start.ts'
import type { Upstream } from './upstream.ts'
import type { Zones } from './locality/zone-router.ts'

/** Which of the tasks that can take a call gets it: by its zone, by the balancer, past those that should not have it. */
export class Choice {
  /** undefined where all zones are alike. */
  zones: Zones | undefined
  readonly #balancer: Balancer
  readonly #slowStart: SlowStart
  readonly #maxPending: number

  /** @param maxPending attempts that a task may have under way; Infinity: any number */
  constructor(balancer: Balancer, slowStart: SlowStart, maxPending: number) {
    this.zones = undefined
    this.#balancer = balancer
    this.#slowStart = slowStart
    this.#maxPending = maxPending
  }

  /** Near ones, as long as they can take it. undefined where all are full. */
  nearby(candidates: readonly Upstream[], hint: PickHint): Upstream | undefined {
    const { zones } = this
    const group = zones?.draw()
    if (zones === undefined || group === undefined) return this.among(candidates, hint)
    const chosen = this.among(group, hint, candidates)
    if (chosen === undefined || !zones.isCrowded(chosen, hint.now)) return chosen
    const other = this.among(zones.elsewhere, hint)
    return other === undefined ? chosen : zones.better(chosen, other, hint.now)
  }

  /**
   * What the balancer picks; another one for the share that a task which starts slowly does not take yet, and for one
   * that is full. undefined where all are.
   * @param instead where that other one may be
   */
  among(
    candidates: readonly Upstream[],
    hint: PickHint,
    instead: readonly Upstream[] = candidates,
  ): Upstream | undefined {
    const picked = this.#pick(candidates, hint)
    if (picked === undefined) return undefined
    const isFull = picked.pending >= this.#maxPending
    if (!isFull && this.#slowStart.takes(picked, hint.now)) return picked
    const others = instead.filter((upstream) => upstream !== picked && upstream.pending < this.#maxPending)
    return this.#pick(others, hint) ?? (isFull ? undefined : picked)
  }

  /** A balancer returns one of its candidates, which are upstreams here. */
  #pick(candidates: readonly Upstream[], hint: PickHint): Upstream | undefined {
    return this.#balancer.pick(candidates, hint) as Upstream | undefined
  }
}
