import type { Random } from '../core/clock.ts'
import type { Upstream } from './upstream.ts'

/** What a task gets of its share at first: enough to warm it, and to notice that it is slow. */
const FLOOR = 0.1

/**
 * Gives a task that joins a running service, or is back, a growing share of what is its own: caches are cold, code is
 * not compiled, and its peers' calls would all arrive at once.
 *
 * By lot, and not as a weight in the cost: where nothing waits, the upstream that costs least by a hair gets all
 * calls, so that a tenth of the weight would be no calls at all for ten seconds, and then all of them.
 */
export class SlowStart {
  readonly #windowMs: number
  readonly #random: Random

  /** @param windowMs until it takes all of its share; 0: at once */
  constructor(windowMs: number, random: Random) {
    this.#windowMs = windowMs
    this.#random = random
  }

  begin(upstream: Upstream, now: number): void {
    if (this.#windowMs > 0 && upstream.endpoint.tier === 0) upstream.startsSlowlyFrom = now
  }

  /** Whether this call is one of its share. */
  takes(upstream: Upstream, now: number): boolean {
    if (upstream.startsSlowlyFrom === Number.NEGATIVE_INFINITY) return true
    const share = (now - upstream.startsSlowlyFrom) / this.#windowMs
    if (share < 1) return this.#random.next() < Math.max(FLOOR, share)
    upstream.startsSlowlyFrom = Number.NEGATIVE_INFINITY
    return true
  }
}
