import { PeakEwma } from './peak-ewma.ts'

/** Time constant of the latency estimate: Finagle's and linkerd's default. */
const LATENCY_TAU_MS = 10_000

/**
 * Time constant after a failure, which counts as a guessed latency. From 1 s it fades to the 30 ms of the task's peers
 * in 17 s, and then the task is called again; with 10 s that would take 35 s.
 */
const PENALTY_TAU_MS = 5_000

/**
 * A sample moves the median by this factor, whatever its size: 25 slow samples in a row raise it tenfold.
 * Ma, Muthukrishnan, Sandler, "Frugal Streaming for Estimating Quantiles", 2013.
 */
const MEDIAN_STEP = 1.1
/** Fewer samples have no median. */
const MIN_SAMPLES = 3

/** Expected time to response headers of one upstream. Without samples it drifts to what its peers take. */
export class LatencyEstimate {
  readonly #average: PeakEwma
  #tauMs = LATENCY_TAU_MS
  #peersMs = 0
  #hasSamples = false
  #medianMs = 0
  #samples = 0
  #sampledAt = 0

  /** @param peersMs initial estimate: the median of the service's tasks; 0: unknown */
  constructor(peersMs: number, now: number) {
    this.#average = new PeakEwma(peersMs, now)
    this.#peersMs = peersMs
    this.#sampledAt = now
  }

  /** Whether it rests on a sample. */
  get hasSamples(): boolean {
    return this.#hasSamples
  }

  ms(now: number): number {
    return this.#average.estimate(now, this.#peersMs, this.#tauMs)
  }

  /** Median of the latest samples, which a few slow ones hardly move; it drifts like the estimate. 0: too few samples. */
  medianMs(now: number): number {
    if (this.#samples < MIN_SAMPLES) return 0
    const weight = Math.exp(Math.min(0, this.#sampledAt - now) / this.#tauMs)
    return this.#peersMs + (this.#medianMs - this.#peersMs) * weight
  }

  /** @param peersMs median estimate of the service's tasks */
  updatePeers(peersMs: number): void {
    this.#peersMs = peersMs
  }

  /** @param sampleMs from the start of an attempt to its response headers */
  observe(sampleMs: number, now: number): void {
    this.#hasSamples = true
    this.#average.observe(sampleMs, now, this.#peersMs, this.#tauMs)
    this.#tauMs = LATENCY_TAU_MS
    if (this.#medianMs === 0) this.#medianMs = sampleMs
    else this.#medianMs *= sampleMs > this.#medianMs ? MEDIAN_STEP : 1 / MEDIAN_STEP
    this.#samples++
    this.#sampledAt = now
  }

  /** A failure counts as an answer that took `asMs`, and fades faster. */
  penalise(asMs: number, now: number): void {
    this.#average.observe(Math.max(this.ms(now), asMs), now, this.#peersMs, this.#tauMs)
    this.#tauMs = PENALTY_TAU_MS
    this.#medianMs = Math.max(this.#medianMs, asMs)
    this.#samples = MIN_SAMPLES
    this.#sampledAt = now
  }

  /** Forgets what the upstream took before it was readmitted. */
  reset(now: number): void {
    this.#average.reset(this.#peersMs, now)
    this.#tauMs = LATENCY_TAU_MS
    this.#medianMs = 0
    this.#samples = 0
  }
}
