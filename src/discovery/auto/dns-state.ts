import { fullJitter } from '../../core/async/jitter.ts'
import type { Random } from '../../core/clock.ts'
import type { Snapshot } from '../endpoint.ts'

/** Until a service is asked for again that the API knows and DNS does not: most are in HTTP namespaces. */
const UNKNOWN_AGAIN_MS = 60_000
/** Of a DNS that fails, while the API answers. */
const MIN_BACKOFF_MS = 1_000
const MAX_BACKOFF_MS = 60_000
/** Of each backoff step: the shortest wait. */
const MIN_BACKOFF_RATIO = 0.1

/** What DNS said of one service, and when it is asked again. Times on the clock. */
export class DnsState {
  /** The last answer. */
  answer: Snapshot | undefined
  /** Why it does not answer now; undefined while it does. */
  error: Error | undefined
  dueAt: number = Number.NEGATIVE_INFINITY
  #failures = 0
  #failingSince = Number.POSITIVE_INFINITY
  #hasNamed = false

  get namesTasks(): boolean {
    return (this.answer?.endpoints.length ?? 0) > 0
  }

  /** @param isKnownToApi whether the API names tasks */
  answered(answer: Snapshot, now: number, isKnownToApi: boolean): void {
    this.answer = answer
    this.error = undefined
    this.#failures = 0
    this.#failingSince = Number.POSITIVE_INFINITY
    this.#hasNamed ||= this.namesTasks
    const mayAppear = this.#hasNamed || !isKnownToApi
    this.dueAt = mayAppear ? answer.expiresAt : Math.max(answer.expiresAt, now + UNKNOWN_AGAIN_MS)
  }

  /**
   * @param hasApi without the API the lookup fails, and the cache decides when the next one is
   * @returns for how long it has been failing, in ms
   */
  failed(error: Error, now: number, hasApi: boolean, random: Random): number {
    this.error = error
    this.#failures++
    this.#failingSince = Math.min(this.#failingSince, now)
    const backoffMs = fullJitter(this.#failures, MIN_BACKOFF_MS, MAX_BACKOFF_MS, random, MIN_BACKOFF_RATIO)
    this.dueAt = hasApi ? now + backoffMs : now
    return now - this.#failingSince
  }
}
