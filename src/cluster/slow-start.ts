import type { Random } from '../core/clock.ts'
import type { Upstream } from './upstream.ts'

/** Smallest share: enough to warm a task, and to notice that it is slow. */
const MIN_SHARE = 0.1

/**
 * Gives a task that joins a running service, or is readmitted, a growing share of its calls: its caches are cold, its
 * code is not compiled, and its peers' calls would all arrive at once.
 *
 * The share is drawn at random, not a weight in the cost. If nothing waits, the cheapest upstream gets all calls:
 * a tenth of the weight would mean no calls for ten seconds, and then all of them.
 */
export class SlowStart {
  readonly #windowMs: number
  readonly #random: Random

  /** @param windowMs until a task takes its whole share; 0: no slow start */
  constructor(windowMs: number, random: Random) {
    this.#windowMs = windowMs
    this.#random = random
  }

  begin(upstream: Upstream, now: number): void {
    if (this.#windowMs > 0 && upstream.endpoint.tier === 0) upstream.startSlowly(now)
  }

  /** Draws whether the upstream takes this call. Ends its slow start when the window is over. */
  admit(upstream: Upstream, now: number): boolean {
    if (upstream.slowStartSince === Number.NEGATIVE_INFINITY) return true
    const share = this.shareOf(upstream, now)
    if (share < 1) return this.#random.next() < share
    upstream.endSlowStart()
    return true
  }

  /** The part of its calls that the upstream takes, from 0.1 to 1. */
  shareOf({ slowStartSince }: Upstream, now: number): number {
    if (slowStartSince === Number.NEGATIVE_INFINITY) return 1
    return Math.min(1, Math.max(MIN_SHARE, (now - slowStartSince) / this.#windowMs))
  }
}
