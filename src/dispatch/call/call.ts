import { AsyncResource } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { PickHint } from '../../cluster/cluster.ts'
import type { Upstream } from '../../cluster/upstream.ts'
import { keepAlive, type Timer } from '../../core/clock.ts'
import { AttemptsExhaustedError, DeadlineExceededError, OverloadedError } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import type { Outcome } from '../../core/outcome.ts'
import { attemptTracing, callTracing, traceBegin, traceOver, type CallTrace } from '../../core/tracing.ts'
import { Attempt } from './attempt.ts'
import type { AttemptOwner } from './attempt-owner.ts'
import type { BodyReader } from '../request/replay-body.ts'
import { CallDeadline } from './call-deadline.ts'
import { CallController } from './call-controller.ts'
import type { CallOptions } from '../request/call-options.ts'
import { FollowedAttempt, followsSending } from './followed-attempt.ts'
import { Hedge, mayHedge } from '../hedge/hedge.ts'
import { RetryState, type Decision, type Retry } from '../retry/retry-state.ts'
import { KeyedRequest } from '../request/keyed-request.ts'
import { noUpstream, tellFallback } from './no-upstream.ts'
import { OutgoingRequest } from '../request/outgoing-request.ts'
import type { Route } from '../route.ts'
import { attemptTrace, callTrace } from './traces.ts'
import { isHandshakeError, isHttp1Wanted, isOfferRefused } from '../classify-outcome.ts'
import { withHeader } from '../request/headers.ts'

const NONE: readonly Upstream[] = []
/** The type of its `AsyncResource`, as `async_hooks` shows it. */
const CONTEXT = 'ONEHOP_CALL'

/**
 * One call: one or more attempts, of which the caller sees a single request.
 */
export class Call extends CallController implements AttemptOwner, PickHint {
  readonly route: Route
  readonly handler: Dispatcher.DispatchHandler
  readonly key: string | undefined
  context: AsyncResource
  now: number
  readonly #request: OutgoingRequest
  #http1Only: boolean
  #attempts: number
  #history: RetryState | undefined
  /** Where the next attempt is to go: a place is kept for it. */
  #placed: Upstream | undefined
  #wait: Timer | undefined
  #startedAt: number
  /** Since when nothing is under way: the call's beginning, or its last failure. */
  #idleSince: number
  #deadline: CallDeadline | undefined
  #trace: CallTrace | undefined

  /** @throws InvalidOptionsError for what the request says of itself */
  constructor(
    route: Route,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    http1Only: boolean,
  ) {
    super()
    this.route = route
    this.handler = handler
    const request = new OutgoingRequest(options, route.retry, route.pools.mayBeHttp2)
    this.key = route.keyOf === undefined ? undefined : route.keyOf(new KeyedRequest(request.options))
    // undici's own handlers (of `request`, `stream`, ...) are made in the caller's context, and know it already.
    this.context = handler instanceof AsyncResource ? handler : new AsyncResource(CONTEXT)
    this.now = 0
    this.#request = request
    this.#http1Only = http1Only || switchesToOther(options)
    this.#attempts = 0
    this.#history = undefined
    this.#placed = undefined
    this.#wait = undefined
    this.#startedAt = 0
    this.#idleSince = 0
    this.#deadline = undefined
    this.#trace = undefined
  }

  /** Begins the first attempt: in this very tick when the service is known, else as soon as it is. */
  start(): void {
    if (!callTracing.hasSubscribers) {
      this.#start()
      return
    }
    this.#trace = callTrace(this.route.host, this.#request.options)
    traceBegin(callTracing, this.#trace, () => {
      // With what listeners have bound to the call.
      this.context = new AsyncResource(CONTEXT)
      this.#start()
    })
  }

  #start(): void {
    const { clock, budget, calls, host, maxPending } = this.route
    calls.begin()
    try {
      this.handler.onRequestStart?.(this, null)
    } catch (error) {
      this.failed(error as Error)
    }
    // Its handler may have aborted: a signal can be an old one.
    if (this.isOver) return
    if (calls.count > maxPending.perOrigin) {
      const told = `as many calls are under way as maxPending.perOrigin allows (${maxPending.perOrigin})`
      this.failed(new OverloadedError(host, told))
      return
    }
    const now = clock.now()
    this.#startedAt = now
    this.#idleSince = now
    budget.deposit(now)
    try {
      this.#prepare(now)
    } catch (error) {
      // It has been told of its end, and that was its own error.
      if (this.isOver) throw error
      // What a request says of itself can be anything, and is read here for the first time.
      this.failed(error as Error)
    }
    if (this.isOver) return
    const isCurrent = this.#isCurrent(now)
    // Listeners hear of a new set of endpoints, and may end the call.
    if (this.isOver) return
    if (isCurrent) this.#begin(now)
    else this.#beginWhenCurrent()
  }

  /** For the cluster, which would rather not probe a failing task with a call that is then lost. */
  get idempotent(): boolean {
    return this.#request.isRepeatable
  }

  /** For the same: of what is read as it is sent, nobody knows yet how long it is. */
  get replayable(): boolean {
    return !this.streamsBody
  }

  get method(): string {
    return this.#request.options.method
  }

  /** Until its deadline, in ms; Infinity: it has none. */
  get leftMs(): number {
    return this.#deadline?.leftMs(this.now) ?? Number.POSITIVE_INFINITY
  }

  // What its attempts ask and tell.

  get streamsBody(): boolean {
    return this.#request.streamsBody
  }

  get hasBody(): boolean {
    return this.#request.hasBody
  }

  get headersTimeout(): number | undefined {
    return this.#request.headersTimeout
  }

  sentLater(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
    const { deadlineHeader, clock } = this.route
    if (deadlineHeader === undefined || this.#deadline === undefined) return options
    const leftMs = String(this.#deadline.leftMs(clock.now()))
    return { ...options, headers: withHeader(options.headers, deadlineHeader, leftMs) as never }
  }

  get maxDrainBytes(): number {
    return this.route.retry?.maxDrainBytes ?? 0
  }

  isCallersFault(error: Error, upstream: Upstream): boolean {
    if (this.#request.isToBlameFor(error)) return true
    // Others speak HTTP/2 with it.
    if (this.#http1Only && isOfferRefused(error)) return true
    if (!isHandshakeError(error)) return false
    return this.#request.asksForAnotherName(upstream.endpoint.origin ?? String(this.#request.options.origin))
  }

  retries(attempt: Attempt, outcome: Outcome): boolean {
    return this.#next(attempt, outcome)?.kind === 'retry'
  }

  acceptResponse(attempt: Attempt, latencyMs: number): void {
    const own = this.attempt
    // Before the other is ended: listeners hear of that, and may end the call.
    this.attempt = attempt
    this.hedge?.settle(attempt, own, latencyMs)
    if (this.#trace !== undefined) this.#trace.statusCode = attempt.statusCode
  }

  attemptFailed(attempt: Attempt, outcome: Outcome, error: Error): void {
    // Listeners heard of its end, and one of them ended the call.
    if (this.isOver) return
    if (outcome.kind === 'cancelled') {
      if (!this.#http1Only && isHttp1Wanted(error)) {
        this.#http1Only = true
        this.#beginNow()
        return
      }
      this.failed(this.#request.bodyError ?? error)
      return
    }
    this.hedge?.observeFailed(attempt, outcome.kind === 'timeout')
    const decision = this.#next(attempt, outcome)
    if (decision?.kind !== 'give-up') return
    const { host, retry } = this.route
    // Nothing happened to it that a list of attempts could tell.
    if (outcome.kind === 'queue-timeout' && !outcome.sent) {
      this.failed(error)
      return
    }
    // With retries off this is undici with discovery: its errors are the caller's to know.
    const records = this.#history?.records ?? []
    const assumedPort = this.#history?.assumedPort
    this.failed(
      retry === undefined
        ? error
        : new AttemptsExhaustedError(host, decision.why, records, error, assumedPort),
    )
  }

  succeeded(trailers: IncomingHttpHeaders): void {
    if (!this.#finish(undefined)) return
    try {
      this.handler.onResponseEnd?.(this, trailers)
    } catch (error) {
      // As undici does it: an interceptor that fails at the end has failed the request.
      this.handler.onResponseError?.(this, error as Error)
    }
  }

  upgraded(statusCode: number, headers: IncomingHttpHeaders, socket: Duplex): void {
    if (this.handler.onRequestUpgrade === undefined) {
      socket.destroy()
      this.failed(new errors.InvalidArgumentError('invalid onRequestUpgrade method'))
    } else if (this.#finish(undefined)) {
      try {
        this.handler.onRequestUpgrade(this, statusCode, headers, socket)
      } catch (error) {
        socket.destroy()
        this.handler.onResponseError?.(this, error as Error)
      }
    } else {
      socket.destroy()
    }
  }

  failed(error: Error): void {
    if (this.#finish(error)) this.handler.onResponseError?.(this, error)
  }

  /** What only some calls have: a deadline, which may be over already, and a second attempt when they are late. */
  #prepare(now: number): void {
    const { clock, hedging, deadlineMs } = this.route
    const { options } = this.#request
    const limitMs = (options as CallOptions).deadlineMs ?? deadlineMs
    if (limitMs === 0) this.#exceedDeadline(limitMs)
    else if (limitMs !== undefined)
      this.#deadline = new CallDeadline(clock, limitMs, now, (ms) => this.#exceedDeadline(ms))
    if (hedging === undefined || this.isOver || !mayHedge(options)) return
    hedging.deposit(now)
    this.hedge = new Hedge(this.route, hedging, (afterMs) => this.#beginBeside(afterMs))
  }

  #beginWhenCurrent(): void {
    if (!this.route.calls.startsWaiting(this)) return
    this.#wait = keepAlive(this.route.clock)
    this.route.cluster.ready().then(
      () => this.#beginNow(),
      (error: Error) => this.failed(error),
    )
  }

  #beginNow(): void {
    if (this.isOver) return
    const { calls, clock } = this.route
    calls.stopsWaiting(this)
    this.#wait?.cancel()
    const now = clock.now()
    this.#isCurrent(now)
    if (!this.isOver) this.#begin(now)
  }

  /** Takes in a new snapshot too, which a resolver of the user's may have made badly: that ends the call. */
  #isCurrent(now: number): boolean {
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
    const tried = this.#history?.tried ?? NONE
    const placed = this.#leavePlace()
    try {
      const upstream =
        placed !== undefined && cluster.isStillGood(placed) ? placed : cluster.pick(this, tried, false)
      if (upstream === undefined) throw noUpstream(this.route, tried)
      this.#tryOn(upstream, tried, now)
    } catch (error) {
      // A balancer of the user's may throw too, and there is no one above to catch it: this may be a timer.
      this.failed(error as Error)
    }
  }

  /** What was kept for the next attempt is its own from now on, or nobody's. */
  #leavePlace(): Upstream | undefined {
    const placed = this.#placed
    this.#placed = undefined
    placed?.release()
    return placed
  }

  /** The call is late: a second attempt begins beside the first, if that is possible. */
  #beginBeside(afterMs: number): void {
    const late = this.attempt
    if (late?.isWaiting !== true || !this.#request.isReplayableBeside) return
    if (this.#attempts >= Math.max(2, this.route.retry?.attempts ?? 0)) return
    this.now = this.route.clock.now()
    const tried = [...(this.#history?.tried ?? NONE), late.upstream]
    try {
      const upstream = this.hedge?.pickBeside(late, tried, this, afterMs)
      if (upstream !== undefined) this.#tryOn(upstream, tried, this.now)
    } catch (error) {
      late.abort(error as Error)
      this.failed(error as Error)
    }
  }

  #tryOn(upstream: Upstream, tried: readonly Upstream[], now: number): void {
    const { cluster, pools, mayQueue } = this.route
    // The user's balancer has picked it, and may have ended the call.
    if (this.isOver) {
      cluster.notTried(upstream, this)
      return
    }
    let pool: Dispatcher
    let options: Dispatcher.DispatchOptions
    try {
      pool = this.#poolOf(upstream)
      options = this.#optionsOfAttempt(upstream, now)
      if (upstream === cluster.fallback) tellFallback(this.route, this.method, upstream, tried)
    } catch (error) {
      // It may have been meant as a probe, and was none.
      cluster.notTried(upstream, this)
      throw error
    }
    // So may have a listener.
    if (this.isOver) {
      cluster.notTried(upstream, this)
      return
    }
    this.#attempts++
    const Kind = this.streamsBody || followsSending(this.handler) ? FollowedAttempt : Attempt
    const attempt = new Kind(this, upstream, now, this.#attempts)
    this.attempt = attempt
    const slots = mayQueue ? pools.slotsOf(pool) : undefined
    this.hedge?.watch(now)
    if (attemptTracing.hasSubscribers) {
      const isHedge = this.hedge?.rival !== undefined
      const trace = attemptTrace(this.#trace, this.route.host, attempt, isHedge, now - this.#idleSince)
      attempt.trace = trace
      traceBegin(attemptTracing, trace, () => attempt.dispatchOn(pool, options, slots))
    } else attempt.dispatchOn(pool, options, slots)
  }

  /**
   * Over a connection that is made anew for the last attempt, after others broke off: something between here and the
   * tasks may have dropped all connections that were idle, and one more of those would be the end of the call.
   */
  #poolOf(upstream: Upstream): Dispatcher {
    const { pools, retry } = this.route
    const isLast = retry !== undefined && this.#attempts === retry.attempts - 1
    if (isLast && this.#history?.hasBrokenOffOnly === true)
      return pools.fresh(upstream, this.#http1Only, this.#startedAt)
    return pools.get(upstream, this.#http1Only)
  }

  #optionsOfAttempt(upstream: Upstream, now: number): Dispatcher.DispatchOptions {
    const { deadlineHeader } = this.route
    const reader = this.streamsBody ? this.#readerFor(upstream) : undefined
    if (deadlineHeader === undefined || this.#deadline === undefined) return this.#request.forAttempt(reader)
    return this.#request.forAttemptWith(reader, deadlineHeader, String(this.#deadline.leftMs(now)))
  }

  #readerFor(upstream: Upstream): BodyReader {
    const { pools } = this.route
    return {
      mayThrow: () => pools.bodyMayThrow(upstream),
      // Told by whoever reads the body: that may be in the context of another call on the same connection.
      failed: (error) =>
        this.context.runInAsyncScope(() => {
          this.attempt?.abort(error)
          this.failed(error)
        }),
    }
  }

  /** Begins or arranges the next attempt, if there is one; undefined when the call ended over the question. */
  #next(attempt: Attempt, outcome: Outcome): Decision | undefined {
    const history = (this.#history ??= new RetryState(this.route, this.#request.options))
    const isOneOfTwo = this.hedge?.rival !== undefined
    this.now = this.route.clock.now()
    let decision: Decision
    try {
      decision = isOneOfTwo
        ? history.decideBeside(attempt.upstream, outcome)
        : history.decide(attempt.upstream, outcome, this.#request.isReplayable, this)
    } catch (error) {
      // The user's own rule failed: that is what the caller has to hear.
      attempt.abort(error as Error)
      this.failed(error as Error)
      return undefined
    }
    // The user's rule may have ended the call.
    if (this.isOver) return undefined
    if (decision.kind === 'give-up') return decision
    if (isOneOfTwo) this.attempt = this.hedge?.leave(attempt, this.attempt, this.route.clock.now())
    else {
      this.#request.rest()
      this.#beginIn(decision, attempt, outcome)
    }
    return decision
  }

  #beginIn({ waitMs, upstream: placed }: Retry, failed: Attempt, outcome: Outcome): void {
    const { host, calls, clock } = this.route
    const { method } = this
    const { number } = failed
    const { label: upstream } = failed.upstream
    this.#placed = placed
    placed?.reserve()
    this.hedge?.unwatch()
    this.#idleSince = clock.now()
    emit('onehop:call.retried', () => ({ host, method, attempt: number, upstream, outcome, waitMs }))
    // A listener may have ended the call.
    if (this.isOver) return
    if (waitMs === 0) {
      this.#beginNow()
      return
    }
    if (!calls.startsWaiting(this)) return
    this.#wait = clock.setTimer(() => this.#beginNow(), waitMs, true)
  }

  #exceedDeadline(limitMs: number): void {
    const { attempt } = this
    const label = attempt?.upstream.label
    const error = new DeadlineExceededError(
      this.route.host,
      limitMs,
      this.#attempts,
      label,
      attempt?.statusCode,
    )
    attempt?.abort(error)
    this.failed(error)
  }

  /** True the first time: whatever ends a call ends it once, and frees all that it held. */
  #finish(error: Error | undefined): boolean {
    if (this.isOver) return false
    this.isOver = true
    this.route.calls.end()
    if (this.#wait !== undefined || this.#attempts === 0) this.route.calls.stopsWaiting(this)
    this.#wait?.cancel()
    this.#leavePlace()
    this.#deadline?.cancel()
    if (this.hedge !== undefined) this.#endHedge(this.hedge)
    this.#request.close()
    if (this.#trace !== undefined) {
      this.#trace.error = error
      traceOver(callTracing, this.#trace)
    }
    return true
  }

  /** Two attempts may be under way, of which at most one has been told that the call is over. */
  #endHedge(hedge: Hedge): void {
    hedge.unwatch()
    const { rival } = hedge
    hedge.rival = undefined
    if (rival === undefined) return
    const over = new Error('the call is over')
    this.attempt?.abort(over)
    rival.abort(over)
  }
}

/** Over HTTP/2 there is no other upgrade than to a WebSocket. */
function switchesToOther({ upgrade }: Dispatcher.DispatchOptions): boolean {
  return typeof upgrade === 'string' && upgrade !== '' && upgrade.toLowerCase() !== 'websocket'
}
