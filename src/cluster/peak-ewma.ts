/**
 * Peak EWMA: an average of latencies that follows peaks at once.
 *
 * A sample above the estimate replaces it; samples below pull it down with w = e^(-dt/tau). So a task that turns slow
 * is avoided after one response, and has to be fast for a while before it gets its share again.
 * Source: Finagle's `PeakEwma`, linkerd2-proxy's `tower-load`.
 *
 * An upstream without calls gives no samples and would keep a bad estimate. Finagle lets it decay to 0, which brings
 * all clients back at once. Here it drifts to what its peers take.
 */
export class PeakEwma {
  #value = 0
  #at = 0

  /** @param initialMs what is assumed before the first sample; 0 when nothing is known */
  constructor(initialMs: number, now: number) {
    this.#value = initialMs
    this.#at = now
  }

  observe(sampleMs: number, now: number, peersMs: number, tauMs: number): void {
    const weight = decay(Math.max(0, now - this.#at) / tauMs)
    const current = peersMs + (this.#value - peersMs) * weight
    // With nothing known before, the first sample is the estimate, however small.
    if (sampleMs >= current || this.#value === 0) this.#value = sampleMs
    else this.#value = current * weight + sampleMs * (1 - weight)
    this.#at = now
  }

  /** Starts again from `initialMs`. */
  reset(initialMs: number, now: number): void {
    this.#value = initialMs
    this.#at = now
  }

  /** Milliseconds expected now. Reading changes nothing. */
  estimate(now: number, peersMs: number, tauMs: number): number {
    const idleMs = now - this.#at
    if (idleMs <= 0) return this.#value
    return peersMs + (this.#value - peersMs) * decay(idleMs / tauMs)
  }
}

/** Up to this the series below is as exact as a number of 64 bits: 10 ms at a time constant of 10 s. */
const MAX_SERIES = 0.001

/** e^-x, for x >= 0. A task that gets many calls needs only the series: `Math.exp`, three times a call, takes 0.02 µs more. */
function decay(x: number): number {
  return x <= MAX_SERIES ? 1 - x * (1 - x * (1 / 2 - x * (1 / 6 - x / 24))) : Math.exp(-x)
}
