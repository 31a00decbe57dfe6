import type { IncomingHttpHeaders } from 'node:http'
import type { Upstream } from '../../cluster/upstream.ts'
import { classifyResponse, type Classify } from '../classify-response.ts'
import type { ResponseOutcome } from '../response-outcome.ts'
import type { AttemptOwner } from './attempt.ts'
import { FollowedAttempt } from './followed-attempt.ts'

/** A response that its trailers decide. */
interface OpenResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly latencyMs: number
}

/**
 * An attempt whose response counts as the user's `classify` says. If only the trailers say it, there are two outcomes: the
 * latency counts with the headers, the health with the trailers.
 *
 * A probe of an ejected upstream cannot wait for the end of a stream: it succeeds as soon as a body begins, or when
 * `attemptMs` after the headers neither body nor trailers are there. A call that fails has no body, as a rule.
 */
export class ClassifiedAttempt extends FollowedAttempt {
  readonly #classify: Classify
  #open: OpenResponse | undefined = undefined

  constructor(call: AttemptOwner, upstream: Upstream, startedAt: number, number: number, classify: Classify) {
    super(call, upstream, startedAt, number)
    this.#classify = classify
  }

  protected override outcomeOf(
    statusCode: number,
    headers: IncomingHttpHeaders,
    latencyMs: number,
  ): ResponseOutcome {
    const outcome = super.outcomeOf(statusCode, headers, latencyMs)
    const answer = this.#ask(statusCode, headers, undefined)
    if (answer === undefined) return outcome
    if (answer !== 'trailers')
      return { ...outcome, retryAfterMs: answer.retryAfterMs ?? outcome.retryAfterMs, classified: answer }
    // A response that may be retried has to count before the caller gets it.
    if (statusCode >= 400) return outcome
    this.#open = { status: statusCode, headers, latencyMs }
    if (this.#isEjected) {
      const { limits, clock } = this.call.route
      limits.attempt.start(this, clock.now())
    }
    return { ...outcome, part: 'headers' }
  }

  protected override received(chunk: Buffer): void {
    if (this.#open !== undefined && this.#isEjected) this.#settle(undefined)
    super.received(chunk)
  }

  protected override ended(trailers: IncomingHttpHeaders): void {
    this.#settle(trailers)
    super.ended(trailers)
  }

  /** How it broke off says how it counts. */
  protected override errored(error: Error): void {
    this.#open = undefined
    super.errored(error)
  }

  override abort(reason: Error): void {
    if (this.#open !== undefined) {
      this.#open = undefined
      // The next call is the probe.
      if (this.#isEjected) this.report({ kind: 'cancelled', latencyMs: 0 })
    }
    super.abort(reason)
  }

  override exceed(): void {
    if (this.#open === undefined) super.exceed()
    else this.#settle(undefined)
  }

  get #isEjected(): boolean {
    return this.upstream.ejection.state !== 'available'
  }

  /** @param trailers undefined: it counts by its status */
  #settle(trailers: IncomingHttpHeaders | undefined): void {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    const { status, headers, latencyMs } = open
    const answer = trailers === undefined ? undefined : this.#ask(status, headers, trailers)
    const outcome = { kind: 'response', status, latencyMs, part: 'trailers' } as const
    if (answer === undefined || answer === 'trailers') this.report({ ...outcome, retryAfterMs: undefined })
    else this.report({ ...outcome, retryAfterMs: answer.retryAfterMs, classified: answer })
  }

  #ask(
    status: number,
    headers: IncomingHttpHeaders,
    trailers: IncomingHttpHeaders | undefined,
  ): ReturnType<Classify> {
    return classifyResponse(this.#classify, this.call.route.host, status, headers, trailers)
  }
}
