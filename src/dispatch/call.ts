import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { PickHint } from '../cluster/cluster.ts'
import type { Upstream } from '../cluster/upstream.ts'
import type { Timer } from '../core/clock.ts'
import {
  AttemptsExhaustedError,
  DeadlineExceededError,
  NoEndpointsError,
  OverloadedError,
} from '../core/errors.ts'
import { emit } from '../core/events.ts'
import type { Outcome } from '../core/outcome.ts'
import { Attempt, type AttemptOwner } from './attempt.ts'
import { brokeOff, isOneShot, recorded, sendable, type RecordedBody } from './body.ts'
import { History, type Decision } from './history.ts'
import { isRepeatable } from './idempotence.ts'
import { KeyedRequest } from './keyed-request.ts'
import type { Route } from './route.ts'

/** undici refuses these requests before it sends anything: no other upstream would take them either. */
const CALLERS_FAULTS = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  // A stream for a body that was closed before its end.
  'UND_ERR_ABORTED',
])
/**
 * undici looks at its timeouts about twice a second, and fires no earlier than after 1 s (measured with 8.12: 250 ms
 * fire at 1,000, 1,000 ms at 1,500). Below this, where that would be felt, an attempt has a timer of its own.
 */
const COARSE_FROM_MS = 5_000
const NONE: readonly Upstream[] = []

/**
 * One call: one or more attempts, of which the caller sees a single request.
 *
 * It is the controller that the caller's handler gets, once and at once, whatever attempt is under way: an
 * abort takes effect while a name is resolved, between attempts and while connecting, where undici's own
 * controllers do not exist yet.
 */
export class Call implements AttemptOwner, PickHint {
  readonly route: Route
  readonly handler: Dispatcher.DispatchHandler
  /** Whether its body reaches undici as a stream or an iterable. */
  readonly streamsBody: boolean
  readonly key: string | undefined
  now: number
  aborted: boolean
  paused: boolean
  reason: Error | null
  readonly #options: Dispatcher.DispatchOptions
  readonly #http1Only: boolean
  readonly #body: RecordedBody | undefined
  #attempt: Attempt | undefined
  #attempts: number
  #history: History | undefined
  #wait: Timer | undefined
  #deadline: Timer | undefined
  #over: boolean

  constructor(
    route: Route,
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    http1Only: boolean,
  ) {
    this.route = route
    this.handler = handler
    const own = sendable(options)
    this.streamsBody = isOneShot(own.body)
    this.key = route.keyOf === undefined ? undefined : route.keyOf(new KeyedRequest(own))
    this.now = 0
    this.aborted = false
    this.paused = false
    this.reason = null
    this.#options = own
    this.#http1Only = http1Only
    this.#body = recorded(own.body, route.retry?.maxReplayBytes)
    this.#attempt = undefined
    this.#attempts = 0
    this.#history = undefined
    this.#wait = undefined
    this.#deadline = undefined
    this.#over = false
  }

  /** Begins the first attempt: in this very tick when the service is known, else as soon as it is. */
  start(): void {
    const { clock, budget, deadlineMs, calls, host, maxPending } = this.route
    calls.begin()
    try {
      this.handler.onRequestStart?.(this, null)
    } catch (error) {
      this.failed(error as Error)
    }
    // Its handler may have aborted: a signal can be an old one.
    if (this.#over) return
    if (calls.count > maxPending.perOrigin) {
      this.failed(
        new OverloadedError(
          host,
          `as many calls are under way as maxPending.perOrigin allows (${maxPending.perOrigin})`,
        ),
      )
      return
    }
    const now = clock.now()
    budget.deposit(now)
    if (deadlineMs !== undefined)
      this.#deadline = clock.setTimer(() => this.#exceedDeadline(deadlineMs), deadlineMs, true)
    if (this.#isCurrent(now)) this.#begin(now)
    else if (!this.#over) this.#beginWhenCurrent()
  }

  // The controller that the caller has.

  get rawHeaders(): NonNullable<Dispatcher.DispatchController['rawHeaders']> | null {
    return this.#attempt?.controller?.rawHeaders ?? null
  }

  get rawTrailers(): NonNullable<Dispatcher.DispatchController['rawTrailers']> | null {
    return this.#attempt?.controller?.rawTrailers ?? null
  }

  pause(): void {
    this.paused = true
    this.#attempt?.controller?.pause()
  }

  resume(): void {
    this.paused = false
    this.#attempt?.controller?.resume()
  }

  abort(reason?: Error): void {
    if (this.#over || this.aborted) return
    this.aborted = true
    this.reason = reason ?? new errors.RequestAbortedError()
    this.#attempt?.abort(this.reason)
    this.failed(this.reason)
  }

  /** For the cluster, which would rather not probe a failing task with a call that is then lost. */
  get idempotent(): boolean {
    return isRepeatable(this.#options)
  }

  // What its attempts tell.

  get maxDrainBytes(): number {
    return this.route.retry?.maxDrainBytes ?? 0
  }

  isCallersFault(error: Error): boolean {
    if (this.#body !== undefined && this.#body.error !== undefined) return true
    if (brokeOff(this.#options.body, error)) return true
    return CALLERS_FAULTS.has((error as NodeJS.ErrnoException).code ?? '')
  }

  retries(attempt: Attempt, outcome: Outcome): boolean {
    return this.#next(attempt, outcome)?.kind === 'retry'
  }

  attemptFailed(attempt: Attempt, outcome: Outcome, error: Error): void {
    if (outcome.kind === 'cancelled') {
      this.failed(this.#body?.error ?? error)
      return
    }
    const decision = this.#next(attempt, outcome)
    if (decision?.kind !== 'give-up') return
    const { host, retry } = this.route
    // With retries off this is undici with discovery: its errors are the caller's to know.
    const records = this.#history?.records ?? []
    this.failed(retry === undefined ? error : new AttemptsExhaustedError(host, decision.why, records, error))
  }

  succeeded(trailers: IncomingHttpHeaders): void {
    if (!this.#finish()) return
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
    } else if (this.#finish()) {
      try {
        this.handler.onRequestUpgrade(this, statusCode, headers, socket)
      } catch (error) {
        socket.destroy()
        this.handler.onResponseError?.(this, error as Error)
      }
    }
  }

  failed(error: Error): void {
    if (this.#finish()) this.handler.onResponseError?.(this, error)
  }

  #beginWhenCurrent(): void {
    if (!this.route.calls.startsWaiting(this)) return
    this.route.cluster.whenCurrent().then(
      () => this.#beginNow(),
      (error: Error) => this.failed(error),
    )
  }

  #beginNow(): void {
    if (this.#over) return
    const { calls, clock } = this.route
    calls.stopsWaiting(this)
    const now = clock.now()
    this.#isCurrent(now)
    if (!this.#over) this.#begin(now)
  }

  /** Takes in a new snapshot too, which a resolver of the user's may have made badly: that ends the call. */
  #isCurrent(now: number): boolean {
    try {
      return this.route.cluster.isCurrent(now)
    } catch (error) {
      this.failed(error as Error)
      return false
    }
  }

  #begin(now: number): void {
    const { cluster, pools, retry } = this.route
    this.now = now
    this.#wait = undefined
    const history = this.#history
    const tried = history?.tried ?? NONE
    const last = retry !== undefined && this.#attempts === retry.attempts - 1
    try {
      const upstream = cluster.pick(this, tried, last && history?.hasConnectFailure === true)
      if (upstream === undefined) throw this.#noEndpoints(tried)
      const pool = pools.get(upstream, this.#http1Only)
      this.#attempts++
      if (upstream === cluster.fallback) this.#tellFallback(upstream)
      const attempt = new Attempt(this, upstream, now)
      this.#attempt = attempt
      const limitMs = this.#options.headersTimeout ?? this.route.attemptMs
      if (limitMs > 0 && (limitMs < COARSE_FROM_MS || this.route.mayQueue)) attempt.limit(limitMs)
      attempt.dispatchOn(pool, this.#optionsOfAttempt())
    } catch (error) {
      // A balancer of the user's may throw too, and there is no one above to catch it: this may be a timer.
      this.failed(error as Error)
    }
  }

  #optionsOfAttempt(): Dispatcher.DispatchOptions {
    if (this.#body === undefined) return this.#options
    return { ...this.#options, body: this.#body.read() as never }
  }

  /** Begins or arranges the next attempt, if there is one; undefined when the call ended over the question. */
  #next(attempt: Attempt, outcome: Outcome): Decision | undefined {
    const history = (this.#history ??= new History(this.route, this.#options))
    history.add(attempt.upstream, outcome)
    let decision: Decision
    try {
      decision = history.decide(outcome, this.#body?.replayable ?? true)
    } catch (error) {
      // The user's own rule failed: that is what the caller has to hear.
      attempt.abort(error as Error)
      this.failed(error as Error)
      return undefined
    }
    if (decision.kind === 'retry') {
      this.#body?.rest()
      this.#beginIn(decision.waitMs, attempt, outcome)
    }
    return decision
  }

  #beginIn(waitMs: number, failed: Attempt, outcome: Outcome): void {
    const { host, calls, clock } = this.route
    const { method } = this.#options
    const number = this.#attempts
    const { label: upstream } = failed.upstream
    emit('onehop:call.retried', () => ({ host, method, attempt: number, upstream, outcome, waitMs }))
    if (waitMs === 0) {
      this.#beginNow()
      return
    }
    if (!calls.startsWaiting(this)) return
    this.#wait = clock.setTimer(() => this.#beginNow(), waitMs, true)
  }

  #noEndpoints(tried: readonly Upstream[]): Error {
    const { cluster, host, maxPending } = this.route
    if (cluster.isFull) {
      const told = `all endpoints that can take calls have as many as maxPending.perTask allows (${maxPending.perTask})`
      return new OverloadedError(
        host,
        `${told}; ${cluster.fallback === undefined ? 'no fallback configured' : 'the fallback was tried'}`,
      )
    }
    // Nothing is known of the service at all: what discovery said tells more than "0 of 0".
    if (cluster.tasks.length === 0 && cluster.discoveryError !== undefined) return cluster.discoveryError
    return new NoEndpointsError(host, cluster.describe(tried), cluster.discoveryError)
  }

  #tellFallback(upstream: Upstream): void {
    const { cluster, host } = this.route
    const { method } = this.#options
    const tried = this.#history?.tried ?? NONE
    emit('onehop:call.fell-back', () => ({
      host,
      method,
      upstream: upstream.label,
      reason:
        (cluster.tasks.length === 0 ? cluster.discoveryError?.message : undefined) ?? cluster.describe(tried),
    }))
  }

  #exceedDeadline(deadlineMs: number): void {
    const error = new DeadlineExceededError(this.route.host, deadlineMs, this.#attempts)
    this.#attempt?.abort(error)
    this.failed(error)
  }

  /** True the first time: whatever ends a call ends it once, and frees all that it held. */
  #finish(): boolean {
    if (this.#over) return false
    this.#over = true
    this.route.calls.end()
    if (this.#wait !== undefined || this.#attempts === 0) this.route.calls.stopsWaiting(this)
    this.#wait?.cancel()
    this.#deadline?.cancel()
    this.#body?.close()
    return true
  }
}
