import { formatAddressPort } from '../core/address-port.ts'
import type { Endpoint } from '../discovery/endpoint.ts'
import { Ejection } from './ejection.ts'
import { PeakEwma } from './ewma.ts'
import { AnswerRecord, DEFAULT_OUTLIER } from './outlier.ts'

/** Time constant of the latency estimate: Finagle's and linkerd's default. */
export const LATENCY_TAU_MS = 10_000

/**
 * The same for what a failure counts as, which is a guess and not a latency. From 1 s it fades to the 30 ms of a
 * task's peers in 17 s, and then the task is called again; with 10 s it would take 35, in which it may long be well.
 */
const PENALTY_TAU_MS = 5_000

/**
 * Added to each estimate: what differs by less than a millisecond is the network, or this process. It also keeps pending
 * calls decisive while every estimate is 0, as it is when a process starts.
 */
const SAME_FOR_ALL_MS = 1

/**
 * How far one sample moves the median, whatever it is: 25 samples for a task that becomes ten times slower.
 * Ma, Muthukrishnan, Sandler, "Frugal Streaming for Estimating Quantiles", 2013.
 */
const MEDIAN_STEP = 1.1
/** Of fewer samples there is no median. */
const FEWEST_SAMPLES = 3

/**
 * An endpoint with the live state that calls gave it. The same object for as long as the endpoint stays, so
 * its connections, load and health outlive snapshots.
 */
export class Upstream {
  /** Replaced when a snapshot brings another zone or weight for the same place. */
  endpoint: Endpoint
  readonly port: number
  /** `10.0.11.42:8080`, `[2a05::1]:8080`: what it is called in errors, events and `inspect()`. */
  readonly label: string
  readonly ejection: Ejection
  /** Good and bad answers, while it is in the rotation. */
  readonly answers: AnswerRecord
  /** Since when it takes a growing share of what is its own, on the clock; -Infinity: it takes all of it. */
  startsSlowlyFrom: number
  /** Attempts begun and not over, response bodies included. */
  pending: number
  /** Those of them that have no answer yet. */
  waiting: number
  /** What the service's upstreams usually take; the estimate drifts there without samples. */
  peersMs: number
  /** Whether its estimate rests on anything. */
  hasSamples: boolean
  /** Attempts that ended. */
  requests: number
  failures: number
  /** When it last answered, on the clock; never again, once it let a connection fail. */
  answeredAt: number
  /** Whether the kernel of this host refused the last connection to it, as for an address of a family that is off. */
  refusedHere: boolean
  #latency: PeakEwma
  #tauMs: number
  /** Median of its samples of late; 0: none yet. */
  #medianMs: number
  #samples: number
  #sampledAt: number
  /** Since when it has said nothing though attempts wait, on the clock. */
  #silentSince: number

  constructor(
    endpoint: Endpoint,
    port: number,
    peersMs: number,
    now: number,
    outlierWindowMs: number = DEFAULT_OUTLIER.windowMs,
  ) {
    this.endpoint = endpoint
    this.port = port
    this.label = formatAddressPort(endpoint.address, port)
    this.ejection = new Ejection()
    this.answers = new AnswerRecord(outlierWindowMs, now)
    this.startsSlowlyFrom = Number.NEGATIVE_INFINITY
    this.pending = 0
    this.waiting = 0
    this.peersMs = peersMs
    this.hasSamples = false
    this.requests = 0
    this.failures = 0
    this.answeredAt = Number.NEGATIVE_INFINITY
    this.refusedHere = false
    this.#latency = new PeakEwma(peersMs, now)
    this.#tauMs = LATENCY_TAU_MS
    this.#medianMs = 0
    this.#samples = 0
    this.#sampledAt = now
    this.#silentSince = now
  }

  /** An attempt begins. */
  began(now: number): void {
    this.pending++
    this.asked(now)
  }

  /** An attempt waits for an answer from now on. */
  asked(now: number): void {
    if (this.waiting === 0) this.#silentSince = now
    this.waiting++
  }

  /** An attempt that began waits for a connection first, which others of this client hold: the task is not silent. */
  queued(): void {
    this.waiting--
  }

  /** Keeps a place for an attempt that is to begin after a wait. */
  reserve(): void {
    this.pending++
  }

  /** The attempt begins, or never will. */
  release(): void {
    this.pending--
  }

  /**
   * An attempt waits no longer.
   * @param isAnswer whether the task said something, were it a refusal
   */
  waited(isAnswer: boolean, now: number): void {
    this.waiting--
    if (isAnswer) this.#silentSince = now
  }

  /** Milliseconds to response headers that are expected of it now. */
  latencyMs(now: number): number {
    return this.#latency.estimate(now, this.peersMs, this.#tauMs)
  }

  observe(sampleMs: number, now: number): void {
    this.hasSamples = true
    this.#latency.observe(sampleMs, now, this.peersMs, this.#tauMs)
    this.#tauMs = LATENCY_TAU_MS
    if (this.#medianMs === 0) this.#medianMs = sampleMs
    else this.#medianMs *= sampleMs > this.#medianMs ? MEDIAN_STEP : 1 / MEDIAN_STEP
    this.#samples++
    this.#sampledAt = now
  }

  /** It failed, which counts as slow: a failing task answers fast, and would draw traffic (the black hole). */
  penalise(asMs: number, now: number): void {
    this.#latency.observe(Math.max(this.latencyMs(now), asMs), now, this.peersMs, this.#tauMs)
    this.#tauMs = PENALTY_TAU_MS
    this.#medianMs = Math.max(this.#medianMs, asMs)
    this.#samples = FEWEST_SAMPLES
    this.#sampledAt = now
  }

  /** It is back: what it took while it failed is of no account. */
  startAfresh(now: number): void {
    this.#latency = new PeakEwma(this.peersMs, now)
    this.#tauMs = LATENCY_TAU_MS
    this.#medianMs = 0
    this.#samples = 0
  }

  /**
   * What an answer is expected to take. A task that has been silent for longer than it usually takes is at least as
   * slow as that: one that hangs is noticed within some 100 ms, and not when the first call to it ends.
   */
  expectedMs(now: number): number {
    return Math.max(this.latencyMs(now), this.#silentMs(now)) + SAME_FOR_ALL_MS
  }

  /**
   * The same by the median of its samples, which a few slow ones do not move, nor how many there are; 0 while there are
   * too few to tell.
   */
  usuallyMs(now: number): number {
    let medianMs = 0
    if (this.#samples >= FEWEST_SAMPLES) {
      const weight = Math.exp(Math.min(0, this.#sampledAt - now) / this.#tauMs)
      medianMs = this.peersMs + (this.#medianMs - this.peersMs) * weight
    }
    const usuallyMs = Math.max(medianMs, this.#silentMs(now))
    return usuallyMs === 0 ? 0 : usuallyMs + SAME_FOR_ALL_MS
  }

  #silentMs(now: number): number {
    return this.waiting === 0 ? 0 : now - this.#silentSince
  }

  /** Place of one more call in the queue here. */
  get queue(): number {
    return 1 + this.pending / this.endpoint.weight
  }

  /** What one more call here costs, relative to its peers: the expected wait in a queue of `pending`. */
  cost(now: number): number {
    return this.expectedMs(now) * this.queue
  }
}
