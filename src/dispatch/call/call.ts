import type { Dispatcher } from 'undici'
import type { PickHint } from '../../cluster/cluster.ts'
import type { Upstream } from '../../cluster/upstream.ts'
import { keepAlive, type Timer } from '../../core/clock.ts'
import { DeadlineExceededError } from '../../core/errors.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { CallTrace } from '../../core/tracing.ts'
import { hedgeFor } from '../hedge/hedge.ts'
import { OutgoingRequest } from '../request/outgoing-request.ts'
import { emitRetried, RetryState, type Decision, type Retry } from '../retry/retry-state.ts'
import type { Route } from '../route.ts'
import type { Attempt, AttemptOwner } from './attempt.ts'
import { dispatchAttempt, newAttempt, optionsFor, withLeftMs } from './begin-attempt.ts'
import { CallController } from './call-controller.ts'
import { CallDeadline } from './call-deadline.ts'
import { emitFallback, noUpstream, tooManyCalls } from './no-upstream.ts'

const NONE: readonly Upstream[] = []

/**
 * One call: one or more attempts, which the caller sees as a single request. Ties together the request, the retry state,
 * the hedge and the deadline.
 *
 * Listeners, the balancer and the retry rule are code of the user's, and may end the call at any step. That is why
 * `isOver` is checked after each.
 */
export class Call extends CallController implements AttemptOwner, PickHint {
  readonly route: Route
  readonly request: OutgoingRequest
  readonly key: string | undefined
  /** When the last decision was made, on the clock. */
  now = 0
  protected startedAt = 0
  #attempts = 0
  /** While it waits for discovery or a backoff. */
  #wait: Timer | undefined = undefined
  #retryState: RetryState | undefined = undefined
  #deadline: CallDeadline | undefined = undefined

  /** @throws InvalidOptionsError for options of the request that are not allowed */
  constructor(
    route: Route,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    http1Only: boolean,
  ) {
    super(handler)
    this.route = route
    this.request = new OutgoingRequest(options, route.retry, route.pools.mayBeHttp2, http1Only)
    this.key = route.keyOf === undefined ? undefined : route.keyOf(this.request.readable)
  }

  /** Only a `TracedCall` has one. */
  get trace(): CallTrace | undefined {
    return undefined
  }

  // What the cluster picks by (`PickHint`).

  /** The cluster does not risk a call in a probe that a failure would lose. */
  get idempotent(): boolean {
    return this.request.isRepeatable
  }

  /** A streamed body may be too long to send again. */
  get replayable(): boolean {
    return !this.request.streamsBody
  }

  get method(): string {
    return this.request.options.method
  }

  /** Time until the deadline, in ms; Infinity without a deadline. */
  get leftMs(): number {
    return this.#deadline?.leftMs(this.now) ?? Number.POSITIVE_INFINITY
  }

  /** Begins the first attempt: in the same tick if the service is known, else as soon as it is. */
  start(): void {
    const { clock, lag, budget, inFlight, maxPending } = this.route
    inFlight.begin()
    try {
      this.handler.onRequestStart?.(this, null)
    } catch (error) {
      this.failed(error as Error)
    }
    // The handler may abort here: its signal may have been aborted before.
    if (this.isOver) return
    if (inFlight.count > maxPending.perOrigin) {
      this.failed(tooManyCalls(this.route))
      return
    }
    const now = clock.now()
    this.startedAt = now
    // It is measured from now on: the caller may compute for long in this turn.
    lag.at(now)
    budget.deposit(now)
    try {
      this.#prepare(now)
    } catch (error) {
      // The handler has been notified, and this is its own error.
      if (this.isOver) throw error
      // The request's headers are read here for the first time, and may be anything.
      this.failed(error as Error)
    }
    if (this.isOver) return
    const isUsable = this.#refresh(now)
    if (this.isOver) return
    if (isUsable) this.#begin(now)
    else this.#beginWhenReady()
  }

  /** Sets up what only some calls have: a deadline, which may be over already, and a hedge. */
  #prepare(now: number): void {
    const { clock, hedgePolicy, deadlineMs } = this.route
    const limitMs = this.request.deadlineMs ?? deadlineMs
    if (limitMs === 0) this.#exceedDeadline(limitMs)
    else if (limitMs !== undefined)
      this.#deadline = new CallDeadline(clock, limitMs, now, (ms) => this.#exceedDeadline(ms))
    if (hedgePolicy === undefined || this.isOver) return
    this.hedge = hedgeFor(this.route, hedgePolicy, this.request.options, now, (afterMs) =>
      this.#beginBeside(afterMs),
    )
  }

  /**
   * Takes in the newest snapshot. A bad one, from a resolver of the user's, ends the call.
   * @returns whether an upstream can be picked without waiting for discovery
   */
  #refresh(now: number): boolean {
    try {
      return this.route.cluster.reconcileIfChanged(now)
    } catch (error) {
      this.failed(error as Error)
      return false
    }
  }

  #beginWhenReady(): void {
    const { inFlight, clock, cluster } = this.route
    if (!inFlight.startsWaiting(this)) return
    this.#wait = keepAlive(clock)
    cluster.whenUsable().then(
      () => this.#beginNow(),
      (error: Error) => this.failed(error),
    )
  }

  #beginNow(): void {
    if (this.isOver) return
    this.#stopWaiting()
    const now = this.route.clock.now()
    this.#refresh(now)
    if (!this.isOver) this.#begin(now)
  }

  #stopWaiting(): void {
    if (this.#wait === undefined) return
    this.#wait.cancel()
    this.#wait = undefined
    this.route.inFlight.stopsWaiting(this)
  }

  #begin(now: number): void {
    const { cluster } = this.route
    this.now = now
    const tried = this.#retryState?.tried ?? NONE
    const reserved = this.#retryState?.release()
    try {
      const upstream =
        reserved !== undefined && cluster.isStillGood(reserved) ? reserved : cluster.pick(this, tried, false)
      if (upstream === undefined) throw noUpstream(this.route, tried)
      this.#tryOn(upstream, tried, now)
    } catch (error) {
      // A balancer of the user's may throw. This may be a timer, with no caller to catch it.
      this.failed(error as Error)
    }
  }

  /** The call is slow: begins a second attempt beside the first, if one is possible. */
  #beginBeside(afterMs: number): void {
    const slow = this.attempt
    if (slow?.isWaiting !== true || !this.request.isReplayableBeside) return
    if (this.#attempts >= Math.max(2, this.route.retry?.attempts ?? 0)) return
    this.now = this.route.clock.now()
    const tried = [...(this.#retryState?.tried ?? NONE), slow.upstream]
    try {
      const upstream = this.hedge?.pickBeside(slow, tried, this, afterMs)
      if (upstream !== undefined) this.#tryOn(upstream, tried, this.now)
    } catch (error) {
      slow.abort(error as Error)
      this.failed(error as Error)
    }
  }

  #tryOn(upstream: Upstream, tried: readonly Upstream[], now: number): void {
    const { route } = this
    let isBegun = false
    try {
      // The balancer may have ended the call.
      if (this.isOver) return
      const pool = this.#poolOf(upstream)
      const options = optionsFor(this, upstream, this.#deadline, now)
      if (upstream === route.cluster.fallback) emitFallback(route, this.method, upstream, tried)
      // A listener may have, too.
      if (this.isOver) return
      isBegun = true
      this.#attempts++
      const attempt = newAttempt(this, upstream, now, this.#attempts)
      this.began(attempt, now)
      const waitMs = now - (this.#retryState?.failedAt ?? this.startedAt)
      dispatchAttempt(attempt, pool, options, this.hedge?.rival !== undefined, waitMs)
    } finally {
      // Nothing was sent: if this was a probe, the next call is one.
      if (!isBegun) route.cluster.notTried(upstream, this)
    }
  }

  /**
   * The last attempt gets a new connection if all others broke off. A NAT or a firewall may have dropped all idle
   * connections, and one more of those would fail the call ("a call outlives more dead connections than it has
   * attempts", test/contract/keep-alive.test.ts).
   */
  #poolOf(upstream: Upstream): Dispatcher {
    const { pools, retry } = this.route
    const { http1Only } = this.request
    const isLast = retry !== undefined && this.#attempts === retry.attempts - 1
    return isLast && this.#retryState?.failures.hasBrokenOffOnly === true
      ? pools.fresh(upstream, http1Only, this.startedAt)
      : pools.get(upstream, http1Only)
  }

  // What its attempts ask and report (`AttemptOwner`).

  sentLater(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
    return withLeftMs(this, options, this.#deadline, this.route.clock.now())
  }

  /** The reader of the body may run in the context of another call on the same connection. */
  bodyFailed(error: Error): void {
    this.context.runInAsyncScope(() => this.abortWith(error))
  }

  acceptResponse(attempt: Attempt, latencyMs: number): void {
    this.hedge?.settle(attempt, latencyMs)
  }

  attemptFailed(attempt: Attempt, outcome: Outcome, error: Error): void {
    // A listener to its end may have ended the call.
    if (this.isOver) return
    if (outcome.kind === 'cancelled') {
      if (this.request.trySwitchToHttp1(error)) this.#beginNow()
      else this.failed(this.request.bodyError ?? error)
      return
    }
    this.hedge?.observeFailed(attempt, outcome.kind === 'timeout')
    const decision = this.decide(attempt, outcome)
    if (decision?.kind === 'retry') this.proceed(decision, attempt, outcome)
    else if (decision?.kind === 'give-up')
      this.failed(this.#retryState?.errorFor(decision.why, outcome, error) ?? error)
  }

  decide(attempt: Attempt, outcome: Outcome): Decision | undefined {
    const state = (this.#retryState ??= new RetryState(this.route, this.request.options))
    this.now = this.route.clock.now()
    try {
      const decision =
        this.hedge?.rival === undefined
          ? state.decide(attempt.upstream, outcome, this.request.isReplayable, this)
          : state.decideBeside(attempt.upstream, outcome)
      return this.isOver ? undefined : decision
    } catch (error) {
      // The user's rule or balancer threw, and the caller gets that error.
      attempt.abort(error as Error)
      this.failed(error as Error)
      return undefined
    }
  }

  proceed({ waitMs, upstream }: Retry, failed: Attempt, outcome: Outcome): void {
    if (upstream === undefined) {
      this.hedge?.dropFailed(failed)
      return
    }
    const { inFlight, clock } = this.route
    this.request.rest()
    this.#retryState?.reserve(upstream)
    this.hedge?.unwatch()
    emitRetried(this.route, this.method, failed, outcome, waitMs)
    if (this.isOver) return
    if (waitMs === 0) this.#beginNow()
    else if (inFlight.startsWaiting(this)) this.#wait = clock.setTimer(() => this.#beginNow(), waitMs, true)
  }

  #exceedDeadline(limitMs: number): void {
    const { upstream, statusCode } = this.attempt ?? {}
    this.abortWith(
      new DeadlineExceededError(this.route.host, limitMs, this.#attempts, upstream?.label, statusCode),
    )
  }

  protected finish(_error: Error | undefined): boolean {
    if (this.isOver) return false
    this.isOver = true
    this.route.inFlight.end()
    this.#stopWaiting()
    this.#retryState?.release()
    this.#deadline?.cancel()
    this.hedge?.end()
    this.request.close()
    return true
  }
}
