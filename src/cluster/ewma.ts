/**
 * Peak EWMA: what an upstream's next response will probably take.
 *
 * A sample above the estimate replaces it at once; samples below pull it down with w = e^(-dt/tau). A task
 * that turns slow is avoided after one response, and has to be fast for a while to be trusted again: the plain
 * average that this takes the place of needed several slow responses to notice.
 * Source: Finagle's `PeakEwma`, linkerd2-proxy's `tower-load`; tau = 10 s as there.
 *
 * An upstream that gets no calls gives no samples, and would keep a bad estimate for ever (Finagle lets it
 * decay to 0, which lures everybody back at once). Here it drifts to what its peers take, with the same tau.
 */
export class PeakEwma {
  #value: number
  #at: number

  /** @param initialMs what is assumed before the first sample; 0 when nothing is known */
  constructor(initialMs: number, now: number) {
    this.#value = initialMs
    this.#at = now
  }

  /** Takes in one latency. */
  observe(sampleMs: number, now: number, peersMs: number, tauMs: number): void {
    const current = this.estimate(now, peersMs, tauMs)
    // A first sample with nothing known before is the estimate, however small.
    if (sampleMs >= current || this.#value === 0) {
      this.#value = sampleMs
    } else {
      const weight = Math.exp(-Math.max(0, now - this.#at) / tauMs)
      this.#value = current * weight + sampleMs * (1 - weight)
    }
    this.#at = now
  }

  /** Milliseconds expected now. Reading changes nothing. */
  estimate(now: number, peersMs: number, tauMs: number): number {
    const idleMs = now - this.#at
    if (idleMs <= 0) return this.#value
    return peersMs + (this.#value - peersMs) * Math.exp(-idleMs / tauMs)
  }
}
