import { isRefusal } from '../core/classification.ts'
import { isConnectFailure, isFailure, isLatencySample, type Outcome } from '../core/outcome.ts'

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

/** A failing task answers fast. Unless a failure counts as slow, the task draws traffic: the black hole. */
const PENALTY_MS = 1_000
const MAX_RETRY_AFTER_MS = 60_000

/**
 * The first calls to a task open connections and meet cold caches, so slow ones do not count. If they did, a client
 * that makes one call at a time would keep to the first task that it warmed.
 */
const COLD_CALLS = 2

/** Up to this the series below is as exact as a number of 64 bits: 10 ms at a time constant of 10 s. */
const MAX_SERIES = 0.001

/**
 * Expected time to response headers of one upstream: peak EWMA, an average of latencies that follows peaks at once.
 *
 * A sample above the estimate replaces it; samples below pull it down with w = e^(-dt/tau). So a task that turns slow
 * is avoided after one response, and has to be fast for a while before it gets its share again.
 * Source: Finagle's `PeakEwma`, linkerd2-proxy's `tower-load`.
 *
 * An upstream without calls gives no samples and would keep a bad estimate. Finagle lets it decay to 0, which brings
 * all clients back at once. Here it drifts to what its peers take.
 */
export class LatencyEstimate {
  #average = 0
  /** When the average was last changed, on the clock. */
  #changedAt = 0
  #tauMs = LATENCY_TAU_MS
  #peersMs = 0
  #hasSamples = false
  #medianMs = 0
  #samples = 0
  #sampledAt = 0

  /** @param peersMs initial estimate: the median of the service's tasks; 0: unknown */
  constructor(peersMs: number, now: number) {
    this.#average = peersMs
    this.#changedAt = now
    this.#peersMs = peersMs
    this.#sampledAt = now
  }

  /** Whether it rests on a sample. */
  get hasSamples(): boolean {
    return this.#hasSamples
  }

  ms(now: number): number {
    const idleMs = now - this.#changedAt
    if (idleMs <= 0) return this.#average
    return this.#peersMs + (this.#average - this.#peersMs) * decay(idleMs / this.#tauMs)
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

  /**
   * Takes in what an outcome says about the latency.
   * @param requests how many attempts have ended before
   */
  record(outcome: Outcome, requests: number, now: number): void {
    if (outcome.kind === 'response') {
      const { latencyMs, retryAfterMs } = outcome
      if (isRefusal(outcome))
        this.penalise(Math.max(Math.min(retryAfterMs ?? PENALTY_MS, MAX_RETRY_AFTER_MS), latencyMs), now)
      else if (isLatencySample(outcome) && (requests >= COLD_CALLS || latencyMs <= this.ms(now)))
        this.observe(latencyMs, now)
    } else if (outcome.kind === 'cancelled') {
      // A lower bound, worth knowing if it exceeds what was expected.
      if (outcome.latencyMs > this.ms(now)) this.observe(outcome.latencyMs, now)
    } else if (isFailure(outcome) && !isConnectFailure(outcome)) {
      // A connection that cannot be made says nothing about latency; ejection deals with it.
      const minMs = outcome.kind === 'timeout' ? outcome.latencyMs : 0
      this.penalise(Math.max(PENALTY_MS, minMs), now)
    }
  }

  /** @param sampleMs from the start of an attempt to its response headers */
  observe(sampleMs: number, now: number): void {
    this.#hasSamples = true
    const weight = decay(Math.max(0, now - this.#changedAt) / this.#tauMs)
    const current = this.#peersMs + (this.#average - this.#peersMs) * weight
    // With nothing known before, the first sample is the estimate, however small.
    if (sampleMs >= current || this.#average === 0) this.#average = sampleMs
    else this.#average = current * weight + sampleMs * (1 - weight)
    this.#changedAt = now
    this.#tauMs = LATENCY_TAU_MS
    if (this.#medianMs === 0) this.#medianMs = sampleMs
    else this.#medianMs *= sampleMs > this.#medianMs ? MEDIAN_STEP : 1 / MEDIAN_STEP
    this.#samples++
    this.#sampledAt = now
  }

  /** A failure counts as an answer that took `asMs`, and fades faster. */
  penalise(asMs: number, now: number): void {
    this.#average = Math.max(this.ms(now), asMs)
    this.#changedAt = now
    this.#tauMs = PENALTY_TAU_MS
    this.#medianMs = Math.max(this.#medianMs, asMs)
    this.#samples = MIN_SAMPLES
    this.#sampledAt = now
  }

  /** Forgets what the upstream took before it was readmitted. */
  reset(now: number): void {
    this.#average = this.#peersMs
    this.#changedAt = now
    this.#tauMs = LATENCY_TAU_MS
    this.#medianMs = 0
    this.#samples = 0
  }
}

/** e^-x, for x >= 0. A task that gets many calls needs only the series: `Math.exp`, three times a call, takes 0.02 µs more. */
function decay(x: number): number {
  return x <= MAX_SERIES ? 1 - x * (1 - x * (1 / 2 - x * (1 / 6 - x / 24))) : Math.exp(-x)
}
