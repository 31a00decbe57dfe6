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
    const share = this.shareOf(upstream, now)
    if (share < 1) return this.#random.next() < share
    upstream.startsSlowlyFrom = Number.NEGATIVE_INFINITY
    return true
  }

  /** What it takes of its share, from 0.1 to 1. */
  shareOf({ startsSlowlyFrom }: Upstream, now: number): number {
    if (startsSlowlyFrom === Number.NEGATIVE_INFINITY) return 1
    return Math.min(1, Math.max(FLOOR, (now - startsSlowlyFrom) / this.#windowMs))
  }
}
