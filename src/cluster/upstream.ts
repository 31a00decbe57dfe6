import type { Candidate } from '../balancer/candidate.ts'
import { formatAddressPort } from '../core/ip.ts'
import type { Endpoint } from '../discovery/endpoint.ts'
import { Ejection } from './health/ejection.ts'
import { PeakEwma } from './peak-ewma.ts'
import { AnswerRecord, DEFAULT_OUTLIER } from './health/outlier.ts'

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
 * An endpoint with the live state that calls gave it. The same object for as long as the endpoint stays, so
 * its connections, load and health outlive snapshots.
 */
export class Upstream implements Candidate {
  /** Replaced when a snapshot brings another zone or weight for the same place. */
  endpoint: Endpoint
  /** The port that calls to it use. */
  readonly port: number
  /** `10.0.11.42:8080`, `[2a05::1]:8080`: what it is called in errors, events and `inspect()`. */
  readonly label: string
  /** Whether it is ejected, and why. */
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
  /** Attempts that failed. */
  failures: number
  /** When it last answered, on the clock; never again, once it let a connection fail. */
  answeredAt: number
  /** Whether the kernel of this host refused the last connection to it, as for an address of a family that is off. */
  refusedHere: boolean
  #latency: PeakEwma
  #tauMs: number
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
    this.#silentSince = now
  }

  get weight(): number {
    return this.endpoint.weight
  }

  get zone(): string | undefined {
    return this.endpoint.zone
  }

  get id(): string | undefined {
    return this.endpoint.id
  }

  get attributes(): Endpoint['attributes'] {
    return this.endpoint.attributes
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

  /** An attempt took `sampleMs` to its response headers. */
  observe(sampleMs: number, now: number): void {
    this.hasSamples = true
    this.#latency.observe(sampleMs, now, this.peersMs, this.#tauMs)
    this.#tauMs = LATENCY_TAU_MS
  }

  /** It failed, which counts as slow: a failing task answers fast, and would draw traffic (the black hole). */
  penalise(asMs: number, now: number): void {
    this.#latency.observe(Math.max(this.latencyMs(now), asMs), now, this.peersMs, this.#tauMs)
    this.#tauMs = PENALTY_TAU_MS
  }

  /** It is back: what it took while it failed is of no account. */
  startAfresh(now: number): void {
    this.#latency = new PeakEwma(this.peersMs, now)
    this.#tauMs = LATENCY_TAU_MS
  }

  /**
   * What an answer is expected to take. A task that has been silent for longer than it usually takes is at least as
   * slow as that: one that hangs is noticed within some 100 ms, and not when the first call to it ends.
   */
  expectedMs(now: number): number {
    const silentMs = this.waiting === 0 ? 0 : now - this.#silentSince
    return Math.max(this.latencyMs(now), silentMs) + SAME_FOR_ALL_MS
  }

  /** What one more call here costs, relative to its peers: the expected wait in a queue of `pending`. */
  cost(now: number): number {
    return this.expectedMs(now) * (1 + this.pending / this.endpoint.weight)
  }
}
