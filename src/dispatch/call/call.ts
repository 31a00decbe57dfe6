import type { Dispatcher } from 'undici'
import type { PickHint } from '../../cluster/cluster.ts'
import type { Upstream } from '../../cluster/upstream.ts'
import { keepAlive, type Timer } from '../../core/clock.ts'
import type { Outcome } from '../../core/outcome.ts'
import { callTracing, hasStartListeners, traceBegin, traceOver, type CallTrace } from '../../core/tracing.ts'
import { hedgeFor } from '../hedge/hedge.ts'
import { OutgoingRequest } from '../request/outgoing-request.ts'
import { emitRetried, RetryState, type Decision, type Retry } from '../retry/retry-state.ts'
import type { Route } from '../route.ts'
import type { Attempt, AttemptOwner } from './attempt.ts'
import { dispatchAttempt, newAttempt, optionsFor } from './begin-attempt.ts'
import { CallController } from './call-controller.ts'
import { CallDeadline, deadlineExceeded } from './call-deadline.ts'
import { emitFallback, noUpstream, tooManyCalls } from './no-upstream.ts'
import { callTrace } from './traces.ts'

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
  readonly key: string | undefined
  now = 0
  readonly #request: OutgoingRequest
  #attempts = 0
  #retryState: RetryState | undefined = undefined
  /** Where the next attempt goes. It counts as pending there. */
  #reserved: Upstream | undefined = undefined
  #wait: Timer | undefined = undefined
  #startedAt = 0
  /** Since when no attempt is under way: the call's beginning, or its last failure. */
  #idleSince = 0
  #deadline: CallDeadline | undefined = undefined
  #trace: CallTrace | undefined = undefined

  /** @throws InvalidOptionsError for options of the request that are not allowed */
  constructor(
    route: Route,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    http1Only: boolean,
  ) {
    super(handler)
    this.route = route
    this.#request = new OutgoingRequest(options, route.retry, route.pools.mayBeHttp2, http1Only)
    this.key = route.keyOf === undefined ? undefined : route.keyOf(this.#request.readable)
  }

  /** Begins the first attempt: in the same tick if the service is known, else as soon as it is. */
  start(): void {
    if (!callTracing.hasSubscribers) {
      this.#start()
      return
    }
    const { host, clock } = this.route
    this.#trace = callTrace(host, this.#request.options)
    // The caller's handler may end the call before it counts as started.
    this.#startedAt = clock.now()
    if (hasStartListeners(callTracing)) this.#startTraced(this.#trace)
    else this.#start()
  }

  #startTraced(trace: CallTrace): void {
    traceBegin(callTracing, trace, () => {
      this.bindContext()
      this.#start()
    })
  }

  #start(): void {
    const { clock, budget, inFlight, maxPending } = this.route
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
    this.#startedAt = now
    this.#idleSince = now
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

  /** For probes: the cluster does not risk a call that a failure would lose. */
  get idempotent(): boolean {
    return this.#request.isRepeatable
  }

  /** For probes, too: a streamed body may be too long to send again. */
  get replayable(): boolean {
    return !this.streamsBody
  }

  get method(): string {
    return this.#request.options.method
  }

  /** Time until the deadline, in ms; Infinity without a deadline. */
  get leftMs(): number {
    return this.#deadline?.leftMs(this.now) ?? Number.POSITIVE_INFINITY
  }

  // What its attempts ask and report (`AttemptOwner`).

  get streamsBody(): boolean {
    return this.#request.streamsBody
  }

  get headersTimeout(): number | undefined {
    return this.#request.headersTimeout
  }

  sentLater(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
    const { deadlineHeader, clock } = this.route
    if (deadlineHeader === undefined || this.#deadline === undefined) return options
    return this.#request.withHeader(options, deadlineHeader, String(this.#deadline.leftMs(clock.now())))
  }

  isCallersFault(error: Error, upstream: Upstream): boolean {
    return this.#request.isToBlameFor(error, upstream.endpoint.origin)
  }

  /** The reader of the body may run in the context of another call on the same connection. */
  bodyFailed(error: Error): void {
    this.context.runInAsyncScope(() => this.abortWith(error))
  }

  decide(attempt: Attempt, outcome: Outcome): Decision | undefined {
    const state = (this.#retryState ??= new RetryState(this.route, this.#request.options))
    this.now = this.route.clock.now()
    let decision: Decision
    try {
      decision =
        this.hedge?.rival === undefined
          ? state.decide(attempt.upstream, outcome, this.#request.isReplayable, this)
          : state.decideBeside(attempt.upstream, outcome)
    } catch (error) {
      // The user's rule or balancer threw, and the caller gets that error.
      attempt.abort(error as Error)
      this.failed(error as Error)
      return undefined
    }
    return this.isOver ? undefined : decision
  }

  proceed({ waitMs, upstream }: Retry, failed: Attempt, outcome: Outcome): void {
    const { inFlight, clock } = this.route
    if (upstream === undefined) {
      this.hedge?.dropFailed(failed)
      return
    }
    this.#request.rest()
    this.#reserved = upstream
    upstream.reserve()
    this.hedge?.unwatch()
    this.#idleSince = clock.now()
    emitRetried(this.route, this.method, failed, outcome, waitMs)
    if (this.isOver) return
    if (waitMs === 0) {
      this.#beginNow()
      return
    }
    if (!inFlight.startsWaiting(this)) return
    this.#wait = clock.setTimer(() => this.#beginNow(), waitMs, true)
  }

  acceptResponse(attempt: Attempt, latencyMs: number): void {
    this.hedge?.settle(attempt, latencyMs)
    if (this.#trace !== undefined) this.#trace.statusCode = attempt.statusCode
  }

  attemptFailed(attempt: Attempt, outcome: Outcome, error: Error): void {
    // A listener to its end may have ended the call.
    if (this.isOver) return
    if (outcome.kind === 'cancelled') {
      if (this.#request.trySwitchToHttp1(error)) this.#beginNow()
      else this.failed(this.#request.bodyError ?? error)
      return
    }
    this.hedge?.observeFailed(attempt, outcome.kind === 'timeout')
    const decision = this.decide(attempt, outcome)
    if (decision?.kind === 'retry') this.proceed(decision, attempt, outcome)
    else if (decision?.kind === 'give-up')
      this.failed(this.#retryState?.errorFor(decision.why, outcome, error) ?? error)
  }

  /** Sets up what only some calls have: a deadline, which may be over already, and a hedge. */
  #prepare(now: number): void {
    const { clock, hedgePolicy, deadlineMs } = this.route
    const limitMs = this.#request.deadlineMs ?? deadlineMs
    if (limitMs === 0) this.#exceedDeadline(limitMs)
    else if (limitMs !== undefined)
      this.#deadline = new CallDeadline(clock, limitMs, now, (ms) => this.#exceedDeadline(ms))
    if (hedgePolicy === undefined || this.isOver) return
    this.hedge = hedgeFor(this.route, hedgePolicy, this.#request.options, now, (afterMs) =>
      this.#beginBeside(afterMs),
    )
  }

  #beginWhenReady(): void {
    if (!this.route.inFlight.startsWaiting(this)) return
    this.#wait = keepAlive(this.route.clock)
    this.route.cluster.view.whenUsable().then(
      () => this.#beginNow(),
      (error: Error) => this.failed(error),
    )
  }

  #beginNow(): void {
    if (this.isOver) return
    const { inFlight, clock } = this.route
    inFlight.stopsWaiting(this)
    this.#wait?.cancel()
    const now = clock.now()
    this.#refresh(now)
    if (!this.isOver) this.#begin(now)
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

  #begin(now: number): void {
    const { cluster } = this.route
    this.now = now
    this.#wait = undefined
    const tried = this.#retryState?.tried ?? NONE
    const reserved = this.#release()
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

  /** Gives up the reservation, for the attempt itself or because the call is over. */
  #release(): Upstream | undefined {
    const reserved = this.#reserved
    this.#reserved = undefined
    reserved?.release()
    return reserved
  }

  /** The call is slow: begins a second attempt beside the first, if one is possible. */
  #beginBeside(afterMs: number): void {
    const slow = this.attempt
    if (slow?.isWaiting !== true || !this.#request.isReplayableBeside) return
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
    const { cluster, pools } = this.route
    // The balancer may have ended the call.
    if (this.isOver) {
      cluster.notTried(upstream, this)
      return
    }
    let pool: Dispatcher
    let options: Dispatcher.DispatchOptions
    try {
      const { http1Only } = this.#request
      pool = this.#needsNewConnection
        ? pools.fresh(upstream, http1Only, this.#startedAt)
        : pools.get(upstream, http1Only)
      options = optionsFor(this, this.#request, upstream, this.#deadline, now)
      if (upstream === cluster.fallback) emitFallback(this.route, this.method, upstream, tried)
    } catch (error) {
      // Nothing was sent: if this was a probe, the next call is one.
      cluster.notTried(upstream, this)
      throw error
    }
    // A listener may have ended the call.
    if (this.isOver) {
      cluster.notTried(upstream, this)
      return
    }
    this.#attempts++
    const attempt = newAttempt(this, upstream, now, this.#attempts)
    this.began(attempt, now)
    const isHedge = this.hedge?.rival !== undefined
    dispatchAttempt(this.route, attempt, pool, options, this.#trace, isHedge, now - this.#idleSince)
  }

  /**
   * The last attempt gets a new connection if all others broke off. A NAT or a firewall may have dropped all idle
   * connections, and one more of those would fail the call ("a call outlives more dead connections than it has
   * attempts", test/contract/keep-alive.test.ts).
   */
  get #needsNewConnection(): boolean {
    const { retry } = this.route
    return (
      this.#retryState?.hasBrokenOffOnly === true &&
      retry !== undefined &&
      this.#attempts === retry.attempts - 1
    )
  }

  #exceedDeadline(limitMs: number): void {
    this.abortWith(deadlineExceeded(this.route.host, limitMs, this.#attempts, this.attempt))
  }

  protected finish(error: Error | undefined): boolean {
    if (this.isOver) return false
    this.isOver = true
    const { inFlight } = this.route
    inFlight.end()
    if (this.#wait !== undefined || this.#attempts === 0) inFlight.stopsWaiting(this)
    this.#wait?.cancel()
    this.#release()
    this.#deadline?.cancel()
    this.hedge?.end()
    this.#request.close()
    if (this.#trace !== undefined) {
      this.#trace.durationMs = this.route.clock.now() - this.#startedAt
      this.#trace.error = error
      traceOver(callTracing, this.#trace)
    }
    return true
  }
}
