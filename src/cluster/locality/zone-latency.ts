/**
 * Notices that the own zone answers markedly slower than the others, and holds back the share of calls that it is
 * too slow for.
 *
 * What counts zones' tasks cannot see everything: a zone's disks or its one cache may be slow, and tasks that are gone
 * from discovery leave their calls to those that stay. Latency shows all of it. It is compared in the mean of its
 * logarithms, which one long call in a hundred does not move, and by a factor, because tasks in other zones are
 * farther by a millisecond and cost money. The share follows in steps, so that a hundred clients that see the same do
 * not leave and return as one.
 */

/** How much slower than the others the own zone may be. */
const TOLERATED = 2
/** The own zone has samples in plenty and should show a change soon; the others get few while all is well. */
const LOCAL_TAU_MS = 2_000
const ELSEWHERE_TAU_MS = 20_000
/** Fewer samples say nothing. */
const FEWEST = 5
const STEP_MS = 500
/** What is enough to notice that the own zone is well again. */
const LEAST_SHARE = 0.05
const STEEPEST_FALL = 0.7
const STEEPEST_RISE = 1.15
/** Latencies below are all the same: what differs is this process. */
const SHORTEST_MS = 0.5

export class ZoneLatency {
  /** The part of its share that the own zone gets, from 0.05 to 1. */
  share = 1
  readonly #local: LogMean
  readonly #elsewhere: LogMean
  #steppedAt: number

  constructor(now: number) {
    this.#local = new LogMean(LOCAL_TAU_MS, now)
    this.#elsewhere = new LogMean(ELSEWHERE_TAU_MS, now)
    this.#steppedAt = now
  }

  observe(isLocal: boolean, latencyMs: number, now: number): void {
    const group = isLocal ? this.#local : this.#elsewhere
    group.observe(Math.max(SHORTEST_MS, latencyMs), now)
    if (now - this.#steppedAt >= STEP_MS) this.#step(now)
  }

  /** An answer that nobody waited for any longer: known is only that it takes more than this. */
  observeAtLeast(isLocal: boolean, latencyMs: number, now: number): void {
    const group = isLocal ? this.#local : this.#elsewhere
    if (latencyMs > (group.mean(now, 0) ?? 0)) this.observe(isLocal, latencyMs, now)
  }

  #step(now: number): void {
    this.#steppedAt = now
    const local = this.#local.mean(now, FEWEST)
    const elsewhere = this.#elsewhere.mean(now, FEWEST)
    const ratio = local === undefined || elsewhere === undefined ? 2 : (TOLERATED * elsewhere) / local
    const factor = Math.min(STEEPEST_RISE, Math.max(STEEPEST_FALL, Math.sqrt(ratio)))
    this.share = Math.min(1, Math.max(LEAST_SHARE, this.share * factor))
  }
}

/** Mean of the logarithms of samples, of which those of one time constant ago count for 1 ÷ e. */
class LogMean {
  readonly #tauMs: number
  #sum = 0
  #count = 0
  #at: number

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

  /** undefined where it rests on no, or on fewer, samples. */
  mean(now: number, fewest: number): number | undefined {
    if (this.#count === 0) return undefined
    const left = Math.exp(Math.min(0, this.#at - now) / this.#tauMs)
    return this.#count * left < fewest ? undefined : Math.exp(this.#sum / this.#count)
  }
}
