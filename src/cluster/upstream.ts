import type { Candidate } from '../balancer/candidate.ts'
import { isGood, isRefusal } from '../core/classification.ts'
import { formatAddressPort } from '../core/ip.ts'
import { isAnswer, isConnectFailure, isFailure, type Outcome } from '../core/outcome.ts'
import type { Endpoint } from '../discovery/endpoint.ts'
import { Ejection } from './health/ejection.ts'
import { AnswerRecord } from './health/outlier.ts'
import { LatencyEstimate } from './latency-estimate.ts'

/**
 * Added to every estimate: differences below 1 ms are the network or this process. It also keeps pending calls decisive
 * while every estimate is 0, as when a process starts.
 */
const MIN_EXPECTED_MS = 1

/**
 * An endpoint and its live state: load, latency, health. It stays the same object while the endpoint stays, so its
 * connections and state outlive snapshots. Only its own methods change its state.
 *
 * An attempt calls `begin`, then `stopWaiting` at its first outcome, then `end`. One that waits for a connection of
 * this client calls `enqueue` and `dequeue` in between. `reserve` and `release` hold a place for an attempt to come.
 */
export class Upstream implements Candidate {
  /** The port that calls to it use. */
  readonly port: number
  readonly label: string
  /** Whether it is ejected, and why. */
  readonly ejection: Ejection = new Ejection()
  /** Good and bad answers; written by the outlier detector alone. */
  readonly answers: AnswerRecord = new AnswerRecord()
  /** The expected time to response headers. */
  readonly latency: LatencyEstimate
  #endpoint: Endpoint
  #weight: number
  // Initial values here and not in the constructor: V8 then keeps a changing number in place. A field that was `undefined`
  // before gets a new heap object with each number, and a write barrier (0.1 µs a call in all).
  #pending = 0
  #waiting = 0
  #requests = 0
  #failures = 0
  #answeredAt: number = Number.NEGATIVE_INFINITY
  #refusedHere = false
  #slowStartSince: number = Number.NEGATIVE_INFINITY
  /** Start of its silence while attempts wait, on the clock. */
  #silentSince = 0

  /** @param peersMs initial estimate: the median of the service's tasks; 0: unknown */
  constructor(endpoint: Endpoint, port: number, peersMs: number, now: number) {
    this.port = port
    this.label = formatAddressPort(endpoint.address, port)
    this.#endpoint = endpoint
    this.#weight = endpoint.weight
    this.latency = new LatencyEstimate(peersMs, now)
    this.#silentSince = now
  }

  get endpoint(): Endpoint {
    return this.#endpoint
  }

  get weight(): number {
    return this.#weight
  }

  get zone(): string | undefined {
    return this.#endpoint.zone
  }

  get id(): string | undefined {
    return this.#endpoint.id
  }

  get attributes(): Endpoint['attributes'] {
    return this.#endpoint.attributes
  }

  /** Attempts begun and not ended, response bodies included; reserved places too. */
  get pending(): number {
    return this.#pending
  }

  /** Pending attempts without an answer, except those that wait for a connection of this client. */
  get waiting(): number {
    return this.#waiting
  }

  /** Attempts that ended. */
  get requests(): number {
    return this.#requests
  }

  /** Attempts that failed. */
  get failures(): number {
    return this.#failures
  }

  /** When it last answered, on the clock; -Infinity: never, or a connection has failed since. */
  get answeredAt(): number {
    return this.#answeredAt
  }

  /** Whether the kernel of this host refused the last connection to it, as for an address family that is off. */
  get refusedHere(): boolean {
    return this.#refusedHere
  }

  /** Start of its slow start, on the clock; -Infinity: it takes its whole share. */
  get slowStartSince(): number {
    return this.#slowStartSince
  }

  /** A snapshot brings other facts, such as another weight, for the same address and port. */
  update(endpoint: Endpoint): void {
    this.#endpoint = endpoint
    this.#weight = endpoint.weight
  }

  startSlowly(now: number): void {
    this.#slowStartSince = now
  }

  endSlowStart(): void {
    this.#slowStartSince = Number.NEGATIVE_INFINITY
  }

  /** An attempt begins and waits for an answer. */
  begin(now: number): void {
    this.#pending++
    this.dequeue(now)
  }

  /** The attempt waits for a connection of this client first: that is not the task's silence. */
  enqueue(): void {
    this.#waiting--
  }

  /** The attempt has a connection and waits for an answer. */
  dequeue(now: number): void {
    if (this.#waiting === 0) this.#silentSince = now
    this.#waiting++
  }

  /** The attempt has its first outcome. Not for one that is still enqueued. */
  stopWaiting(outcome: Outcome, now: number): void {
    this.#waiting--
    if (isAnswer(outcome)) this.#silentSince = now
  }

  /** The attempt ends, its response body included. */
  end(): void {
    this.#requests++
    this.#pending--
  }

  /** Holds a place for an attempt that begins after a wait. */
  reserve(): void {
    this.#pending++
  }

  /** Frees that place: the attempt begins, or never will. */
  release(): void {
    this.#pending--
  }

  recordReach(isRefusedHere: boolean): void {
    this.#refusedHere = isRefusedHere
  }

  /** Takes one outcome into counts and estimate. Its effect on health: `record-outcome.ts`. */
  record(outcome: Outcome, now: number): void {
    this.latency.record(outcome, this.#requests, now)
    if (outcome.kind === 'response') {
      this.#answeredAt = now
      if (isRefusal(outcome) || !isGood(outcome)) this.#failures++
    } else if (isFailure(outcome)) {
      this.#failures++
      if (isConnectFailure(outcome)) this.#answeredAt = Number.NEGATIVE_INFINITY
    }
  }

  latencyMs(now: number): number {
    return this.latency.ms(now)
  }

  /**
   * A task that has been silent for longer than it usually takes is at least as slow as that. So a task that hangs is
   * noticed within about 100 ms, not when the first call to it ends.
   */
  expectedMs(now: number): number {
    return Math.max(this.latencyMs(now), this.#silentMs(now)) + MIN_EXPECTED_MS
  }

  medianMs(now: number): number {
    const medianMs = Math.max(this.latency.medianMs(now), this.#silentMs(now))
    return medianMs === 0 ? 0 : medianMs + MIN_EXPECTED_MS
  }

  #silentMs(now: number): number {
    return this.#waiting === 0 ? 0 : now - this.#silentSince
  }

  cost(now: number): number {
    return this.expectedMs(now) * (1 + this.#pending / this.#weight)
  }
}
