/**
 * Reduces the share of calls that stay in the caller's zone while that zone answers much slower than the others.
 *
 * The number of tasks does not show everything. A zone may have slow disks or a slow cache, too many callers, or tasks
 * that hang. Latency shows all of it. The mean of its logarithms is compared, which one long call in a hundred does not
 * move; and by a factor, because other zones are farther by a millisecond and cost money. The share moves in steps, so
 * that a hundred clients that see the same do not leave and return together.
 *
 * Without it, success falls from 100 to 57 % when 7 of 9 clients are in a zone with 3 of 9 tasks (`zone-overloaded`), and
 * from 99.03 to 96.77 % when the tasks of a zone hang (`zone-hangs`; docs/decisions/016).
 */

/** How many times slower than the others the caller's zone may be. */
const MAX_RATIO = 2
/** The caller's zone has many samples and should show a change soon; the others have few while all is well. */
const LOCAL_TAU_MS = 2_000
const ELSEWHERE_TAU_MS = 20_000
const MIN_SAMPLES = 5
const STEP_MS = 500
/** Enough calls to notice that the caller's zone has recovered. */
const MIN_SHARE = 0.05
/** Factors on the share, each step. */
const MIN_FACTOR = 0.7
const MAX_FACTOR = 1.15
/** Differences between latencies below this are this process's own. */
const MIN_LATENCY_MS = 0.5

export class ZoneLatency {
  /** The part of its share that the caller's zone gets, from 0.05 to 1. */
  share = 1
  readonly #local: LogMean
  readonly #elsewhere: LogMean
  #steppedAt = 0

  constructor(now: number) {
    this.#local = new LogMean(LOCAL_TAU_MS, now)
    this.#elsewhere = new LogMean(ELSEWHERE_TAU_MS, now)
    this.#steppedAt = now
  }

  observe(isLocal: boolean, latencyMs: number, now: number): void {
    const group = isLocal ? this.#local : this.#elsewhere
    group.observe(Math.max(MIN_LATENCY_MS, latencyMs), now)
    if (now - this.#steppedAt >= STEP_MS) this.#step(now)
  }

  /** The attempt was aborted: its latency is a lower bound. */
  observeAtLeast(isLocal: boolean, latencyMs: number, now: number): void {
    const group = isLocal ? this.#local : this.#elsewhere
    if (latencyMs > (group.mean(now, 0) ?? 0)) this.observe(isLocal, latencyMs, now)
  }

  #step(now: number): void {
    this.#steppedAt = now
    const local = this.#local.mean(now, MIN_SAMPLES)
    const elsewhere = this.#elsewhere.mean(now, MIN_SAMPLES)
    const ratio = local === undefined || elsewhere === undefined ? 2 : (MAX_RATIO * elsewhere) / local
    const factor = Math.min(MAX_FACTOR, Math.max(MIN_FACTOR, Math.sqrt(ratio)))
    this.share = Math.min(1, Math.max(MIN_SHARE, this.share * factor))
  }
}

/** Mean of the logarithms of samples. A sample of one time constant ago counts for 1 ÷ e. */
class LogMean {
  readonly #tauMs: number
  #sum = 0
  #count = 0
  #at = 0

  constructor(tauMs: number, now: number) {
    this.#tauMs = tauMs
    this.#at = now
  }

  observe(sample: number, now: number): void {
    if (now > this.#at) {
      const left = Math.exp((this.#at - now) / this.#tauMs)
      this.#sum *= left
      this.#count *= left
      this.#at = now
    }
    this.#sum += Math.log(sample)
    this.#count++
  }

  /** undefined without samples, or with fewer than `minSamples`. */
  mean(now: number, minSamples: number): number | undefined {
    if (this.#count === 0) return undefined
    const left = Math.exp(Math.min(0, this.#at - now) / this.#tauMs)
    return this.#count * left < minSamples ? undefined : Math.exp(this.#sum / this.#count)
  }
}
