import { AsyncResource } from 'node:async_hooks'
import type { IncomingHttpHeaders as Headers } from 'node:http'
import type { Duplex } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import { mayNeedRetry } from '../../core/classification.ts'
import type { Outcome } from '../../core/outcome.ts'
import { attemptTracing, traceOver, type AttemptTrace, type CallTrace } from '../../core/tracing.ts'
import { explained } from '../classify-outcome.ts'
import { ConnectionShare, type Sharer } from '../connections/connection-share.ts'
import { DrainResponse } from '../connections/drain-response.ts'
import type { Slots } from '../connections/slots.ts'
import { elapsedMs } from '../elapsed.ts'
import { asOwnError } from '../error-kinds.ts'
import type { OutgoingRequest } from '../request/outgoing-request.ts'
import { responseOutcome, type ResponseOutcome } from '../response-outcome.ts'
import type { Decision, Retry } from '../retry/retry-state.ts'
import type { Route } from '../route.ts'
import { InContext, type Controller } from './in-context.ts'
import { OwnTimeLimit, type Limited, type TimeLimit } from './time-limit.ts'
import {
  connectionOverdue,
  headersOverdue,
  outcomeOfAbort,
  outcomeOfError,
  type Progress,
} from './without-response.ts'

/** The call that an attempt belongs to. It is also the controller of the caller's handler. */
export interface AttemptOwner extends Dispatcher.DispatchController {
  readonly route: Route
  readonly request: OutgoingRequest
  /** The caller's async context. undici runs its callbacks in the context of the call that opened the connection. */
  readonly context: AsyncResource
  /** The caller's handler. */
  readonly handler: Dispatcher.DispatchHandler
  /** What listeners to `onehop:call` get; undefined without listeners. */
  readonly trace: CallTrace | undefined
  /** The request body failed where it must not throw: that ends the call. */
  bodyFailed(error: Error): void
  /** The options of an attempt that had to wait for a connection. */
  sentLater(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions
  /** Decides what follows a failed attempt. undefined: the caller's retry rule has ended the call. */
  decide(attempt: Attempt, outcome: Outcome): Decision | undefined
  /** Begins the next attempt, as decided. The failed one is over, or only drains its response. */
  proceed(decision: Retry, failed: Attempt, outcome: Outcome): void
  /** The response of this attempt is the caller's. */
  acceptResponse(attempt: Attempt, latencyMs: number): void
  /** The attempt ended without a response. */
  attemptFailed(attempt: Attempt, outcome: Outcome, error: Error): void
  /** The response ended. */
  succeeded(trailers: Headers): void
  /** The connection is the caller's from now on. */
  upgraded(statusCode: number, headers: Headers, socket: Duplex): void
  /** The response broke off. */
  failed(error: Error): void
}

/**
 * - `waiting`: no response yet
 * - `forwarding`: its response is the call's
 * - `draining`: the caller does not get its response; the rest is read so that the connection can be used again
 * - `over`: it ignores whatever undici still calls
 */
type State = 'waiting' | 'forwarding' | 'draining' | 'over'

/**
 * One try of a call on one upstream: the handler that undici calls. It reports once to the cluster how it went, and asks the
 * call what follows. `FollowedAttempt` adds the callbacks that follow sending.
 */
export class Attempt extends InContext implements Limited, Sharer, Progress {
  readonly call: AttemptOwner
  readonly upstream: Upstream
  /** When it began, on the clock. */
  readonly startedAt: number
  /** Among the call's attempts, from 1. */
  readonly number: number
  /** undici's controller of this attempt; undefined until there is a connection. */
  controller: Controller | undefined = undefined
  share: ConnectionShare | undefined = undefined
  headersSent = false
  isDispatching = false
  /** Status of its response; 0: none yet. */
  statusCode = 0
  /** What listeners to `onehop:attempt` get; undefined without listeners. */
  trace: AttemptTrace | undefined = undefined
  // Its place among the attempts with the same time limit.
  limit: TimeLimit | undefined = undefined
  dueAt = 0
  earlier: Limited | undefined = undefined
  later: Limited | undefined = undefined
  #state: State = 'waiting'
  #reported = false
  /** When undici began to send it, on the clock: usually at once. */
  #takenUpAt: number
  /** Time before `#takenUpAt` that was the upstream's: for a connection of its own. */
  #connectingMs = 0
  #rest: DrainResponse | undefined = undefined

  constructor(call: AttemptOwner, upstream: Upstream, startedAt: number, number: number) {
    super()
    this.call = call
    this.upstream = upstream
    this.startedAt = startedAt
    this.number = number
    this.#takenUpAt = startedAt
    upstream.begin(startedAt)
  }

  protected get context(): AsyncResource {
    return this.call.context
  }

  /** Whether its response may still come. */
  get isWaiting(): boolean {
    return this.#state === 'waiting'
  }

  protected get isOver(): boolean {
    return this.#state === 'over'
  }

  elapsedMs(now: number = this.call.route.clock.now()): number {
    return this.#connectingMs + elapsedMs(this.#takenUpAt, now, this.call.route.lag)
  }

  countFrom(now: number): void {
    this.#takenUpAt = now
    this.#connectingMs = 0
  }

  dispatchOn(pool: Dispatcher, options: Dispatcher.DispatchOptions): void {
    // A listener to its beginning may have ended the call.
    if (this.isOver) return
    this.isDispatching = true
    pool.dispatch(options, this)
    this.isDispatching = false
  }

  /** The same, as soon as it has a slot. */
  dispatchWithin(slots: Slots, pool: Dispatcher, options: Dispatcher.DispatchOptions): void {
    if (this.isOver) return
    const share = new ConnectionShare(slots, this)
    this.share = share
    this.call.route.limits.queue.start(this, this.startedAt)
    if (slots.enter(share)) {
      this.dispatchOn(pool, options)
      return
    }
    const send = (): void => this.dispatchOn(pool, this.call.sentLater(options))
    // A store that is bound to the attempt's beginning holds when it is sent, too.
    share.queue(this.trace === undefined ? send : AsyncResource.bind(send))
  }

  /** Ends the attempt at once. */
  abort(reason: Error): void {
    if (!this.#reported) this.report(outcomeOfAbort(this, reason))
    this.#end()
    this.#cut(reason)
  }

  /** An attempt that began later answered first. */
  cancelAsLoser(reason: Error): void {
    const outcome = outcomeOfAbort(this, reason)
    if (!this.#reported) this.report(outcome.kind === 'cancelled' ? { ...outcome, outrun: true } : outcome)
    this.abort(reason)
  }

  /** Its time is over, in the queue or for the response headers. */
  exceed(): void {
    if (!this.isWaiting) return
    this.context.runInAsyncScope(() => {
      const isConnected = this.controller !== undefined
      const outcome = isConnected ? headersOverdue(this) : connectionOverdue(this)
      this.report(outcome)
      this.#end()
      this.#cut(outcome.error)
      const { pools } = this.call.route
      if (isConnected) pools.fellSilent(this.upstream, this.share?.slots, this.#takenUpAt)
      this.call.attemptFailed(this, outcome, outcome.error)
    })
  }

  // What undici calls.

  onRequestStart(controller: Controller): void {
    if (this.#state === 'over') return this.#leave(controller)
    if (this.controller !== undefined) return this.#startAgain(controller)
    const { call, share, upstream } = this
    const { clock, limits, pools } = call.route
    const { headersTimeout, streamsBody } = call.request
    this.controller = controller
    if (call.paused) controller.pause()
    // Usually a connection is idle, and this is still the turn of the dispatch: no time has passed.
    if (!this.isDispatching) {
      const now = clock.now()
      this.#connectingMs = this.elapsedMs(now)
      this.#takenUpAt = now
    }
    if (share !== undefined) {
      this.#stopLimit()
      // Waiting for a connection was not the upstream's time.
      this.#connectingMs = 0
      if (pools.speaksHttp2(upstream)) share.expectStream()
    }
    // HTTP/1.1 writes the headers of a streamed body with its first chunk: see `onBodySent`.
    this.headersSent = !streamsBody || pools.speaksHttp2(upstream)
    if (headersTimeout === undefined) limits.attempt.start(this, this.#takenUpAt)
    else if (headersTimeout > 0) new OwnTimeLimit(clock, headersTimeout).start(this, this.#takenUpAt)
  }

  /** It was aborted while it waited for its connection, and leaves before a byte is written. */
  #leave(controller: Controller): void {
    const over = new Error('the call is over')
    // Only undici's own abort ends the body; it costs the connection.
    if (this.call.request.streamsBody) controller.abort(over)
    // undici drops a request that throws here, and the next request gets the connection.
    else throw over
  }

  /**
   * undici restarts a request whose connection closed without an error: over HTTP/2 when the task did not process it,
   * over HTTP/1.1 when another request on the connection was aborted. Its time limit goes on.
   */
  #startAgain(controller: Controller): void {
    const { request, route, paused } = this.call
    const isSent = this.headersSent && !route.pools.speaksHttp2(this.upstream)
    if (!this.isWaiting || (isSent && !request.isRepeatable)) {
      const why = 'another request on the connection was aborted, which closed it (pool.pipelining)'
      throw asOwnError(new errors.SocketError(why))
    }
    this.controller = controller
    if (this.share?.stream !== undefined) this.share.expectStream()
    if (paused) controller.pause()
  }

  protected upgraded(controller: Controller, statusCode: number, headers: Headers, socket: Duplex): void {
    if (!this.isWaiting) {
      socket.destroy()
      return
    }
    this.controller = controller
    this.statusCode = statusCode
    const now = this.call.route.clock.now()
    const latencyMs = this.elapsedMs(now)
    this.report({ kind: 'response', status: statusCode, latencyMs, retryAfterMs: undefined }, now)
    this.share?.leave()
    // A listener may have ended the call. Then the call destroys the socket.
    if (!this.isOver) {
      this.#end()
      this.call.acceptResponse(this, latencyMs)
    }
    this.call.upgraded(statusCode, headers, socket)
  }

  protected responded(
    controller: Controller,
    statusCode: number,
    headers: Headers,
    statusMessage?: string,
  ): void {
    if (!this.isWaiting) return
    // 1xx announces a response.
    if (statusCode < 200) {
      this.#forwardStart(statusCode, headers, statusMessage)
      return
    }
    this.#stopLimit()
    this.statusCode = statusCode
    const now = this.call.route.clock.now()
    const latencyMs = this.elapsedMs(now)
    const outcome = this.outcomeOf(statusCode, headers, latencyMs)
    this.report(outcome, now)
    // Listeners to ejections may have ended the call.
    if (this.isOver) return
    if (statusCode >= 400 || (outcome.classified !== undefined && mayNeedRetry(outcome.classified))) {
      const decision = this.call.decide(this, outcome)
      // The retry rule may have thrown, or ended the call.
      if (this.isOver) return
      if (decision?.kind === 'retry') {
        this.#drain(controller)
        this.call.proceed(decision, this, outcome)
        return
      }
    }
    this.#state = 'forwarding'
    this.call.acceptResponse(this, latencyMs)
    // A listener to the other attempt's end may have ended the call.
    if (this.isOver) return
    this.#forwardStart(statusCode, headers, statusMessage)
  }

  /** How its response counts. */
  protected outcomeOf(statusCode: number, headers: Headers, latencyMs: number): ResponseOutcome {
    return responseOutcome(this, statusCode, headers, latencyMs)
  }

  protected received(chunk: Buffer): void {
    if (this.#state === 'forwarding') {
      try {
        this.call.handler.onResponseData?.(this.call, chunk)
      } catch (error) {
        this.callerThrew(error as Error)
      }
    } else if (this.#state === 'draining') {
      this.#rest?.pass(chunk)
    }
  }

  protected ended(trailers: Headers): void {
    const forwarding = this.#state === 'forwarding'
    this.#end()
    this.share?.leave()
    if (forwarding) this.call.succeeded(trailers)
  }

  protected errored(given: Error): void {
    const state = this.#state
    this.share?.broken()
    if (state === 'over') return
    if (state === 'draining') {
      this.#end()
      return
    }
    // With retries off this is undici with discovery: the caller gets undici's own error.
    const error = this.call.route.retry === undefined ? given : explained(given)
    const outcome = outcomeOfError(this, error)
    this.report(outcome)
    this.#end()
    if (state === 'forwarding') this.call.failed(error)
    else this.call.attemptFailed(this, outcome, error)
  }

  #forwardStart(statusCode: number, headers: Headers, statusMessage: string | undefined): void {
    try {
      this.call.handler.onResponseStart?.(this.call, statusCode, headers, statusMessage)
    } catch (error) {
      this.callerThrew(error as Error)
    }
  }

  /** The caller's handler threw: that ends the call, and does not count against the upstream. */
  protected callerThrew(error: Error): void {
    this.abort(error)
    this.call.failed(error)
  }

  /** Reads on, so that the connection can be used again, unless that costs more than a new connection. */
  #drain(controller: Controller): void {
    this.#state = 'draining'
    this.#rest = new DrainResponse(this.call.route.clock, () => {
      this.#end()
      this.#cut(new Error('the rest of a response that the caller does not get was too long or too slow'))
    })
    if (controller.paused) controller.resume()
  }

  /** Takes the request off the wire. undici takes nothing back before it has a connection: then it leaves in `onRequestStart`. */
  #cut(reason: Error): void {
    const { controller, share } = this
    if (controller === undefined) {
      if (share?.isQueued === true) share.leave()
    } else if (share === undefined) controller.abort(reason)
    else share.cut(controller, reason)
  }

  /** Passes an outcome on to the cluster: the first one, or a second one that says more. */
  protected report(outcome: Outcome, now: number = this.call.route.clock.now()): void {
    if (this.trace !== undefined) {
      this.trace.outcome = outcome
      this.trace.error = 'error' in outcome ? outcome.error : undefined
    }
    if (!this.#reported && this.share?.isQueued !== true) this.upstream.stopWaiting(outcome, now)
    this.#reported = true
    this.call.route.cluster.report(this.upstream, outcome, now, this.startedAt, this.call)
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#stopLimit()
    this.#rest?.end()
    this.share?.leaveLine()
    this.upstream.end()
    if (this.trace === undefined) return
    this.trace.durationMs = this.call.route.clock.now() - this.startedAt
    traceOver(attemptTracing, this.trace)
  }

  #stopLimit(): void {
    this.limit?.stop(this)
  }
}
