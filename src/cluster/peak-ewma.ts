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
    const weight = decay(Math.max(0, now - this.#at) / tauMs)
    const current = peersMs + (this.#value - peersMs) * weight
    // A first sample with nothing known before is the estimate, however small.
    if (sampleMs >= current || this.#value === 0) this.#value = sampleMs
    else this.#value = current * weight + sampleMs * (1 - weight)
    this.#at = now
  }

  /** Milliseconds expected now. Reading changes nothing. */
  estimate(now: number, peersMs: number, tauMs: number): number {
    const idleMs = now - this.#at
    if (idleMs <= 0) return this.#value
    return peersMs + (this.#value - peersMs) * decay(idleMs / tauMs)
  }
}

/**
 * e^(-x). For a task that is called all the time x is next to nothing, and three terms of the series are as good, to
 * seven digits; `Math.exp` is a call out of the compiled code, three times for each request.
 */
function decay(x: number): number {
  return x < 0.01 ? 1 - x + (x * x) / 2 : Math.exp(-x)
}
