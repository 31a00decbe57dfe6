import { AsyncResource } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import type { ClientHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import { mayNeedRetry } from '../../core/classification.ts'
import type { Timer } from '../../core/clock.ts'
import type { Outcome } from '../../core/outcome.ts'
import { attemptTracing, traceOver, type AttemptTrace } from '../../core/tracing.ts'
import { classifyAbort, classifyError, explained } from '../classify-outcome.ts'
import { isConnectError, type InLine, type Line } from '../connections/connector.ts'
import { DrainResponse } from '../connections/drain-response.ts'
import { cancelStream, expectStream, type StreamOwner } from '../connections/http2-streams.ts'
import type { Slots, Waiter } from '../connections/slots.ts'
import { responseOutcome } from '../response-outcome.ts'
import type { Decision, Retry } from '../retry/retry-state.ts'
import type { Route } from '../route.ts'
import { AttemptLatency } from './attempt-latency.ts'
import { InContext } from './in-context.ts'
import { connectionOverdue, headersOverdue, type Overdue } from './overdue.ts'
import type { Limited, TimeLimit } from './time-limit.ts'

/** Errors that this process caused itself. They do not count against the upstream. */
const ownErrors = new WeakSet<Error>()

/** The call that an attempt belongs to. It is also the controller of the caller's handler. */
export interface AttemptOwner extends Dispatcher.DispatchController {
  readonly route: Route
  /** The caller's async context. undici runs its callbacks in the context of the call that opened the connection. */
  readonly context: AsyncResource
  /** The caller's handler. */
  readonly handler: Dispatcher.DispatchHandler
  /** Whether undici reads the request body as a stream or an iterable. */
  readonly streamsBody: boolean
  /** Whether it may be sent again after a task may have acted on it. */
  readonly idempotent: boolean
  /** The request's own limit to response headers, in ms. 0: none. undefined: the service's limit applies. */
  readonly headersTimeout: number | undefined
  /** The options of an attempt that had to wait for a connection. */
  sentLater(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions
  /** Whether the request is at fault: it is not sent again, and its upstream is not blamed. */
  isCallersFault(error: Error, upstream: Upstream): boolean
  /** The request body failed where it must not throw: that ends the call. */
  bodyFailed(error: Error): void
  /** Decides what follows a failed attempt. undefined: the caller's retry rule has ended the call. */
  decide(attempt: Attempt, outcome: Outcome): Decision | undefined
  /** Begins the next attempt, as decided. The failed one is over, or only drains its response. */
  proceed(decision: Retry, failed: Attempt, outcome: Outcome): void
  /** The response of this attempt is the caller's. */
  acceptResponse(attempt: Attempt, latencyMs: number): void
  /** The attempt ended without a response. */
  attemptFailed(attempt: Attempt, outcome: Outcome, error: Error): void
  /** The response ended. */
  succeeded(trailers: IncomingHttpHeaders): void
  /** The connection is the caller's from now on. */
  upgraded(statusCode: number, headers: IncomingHttpHeaders, socket: Duplex): void
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
 * One try of a call on one upstream: the handler that undici calls. It classifies what happened, reports it once to the
 * cluster, and asks the call what follows. `FollowedAttempt` adds the callbacks that follow sending.
 */
export class Attempt extends InContext implements InLine, Waiter, Limited, StreamOwner {
  readonly upstream: Upstream
  /** Among the call's attempts, from 1. */
  readonly number: number
  /** Status of its response; 0: none yet. */
  statusCode = 0
  /** What listeners to `onehop:attempt` get; undefined without listeners. */
  trace: AttemptTrace | undefined = undefined
  // Its place among the attempts with the same time limit.
  limit: TimeLimit | undefined = undefined
  dueAt = 0
  earlier: Limited | undefined = undefined
  later: Limited | undefined = undefined
  /** Over HTTP/2, once it is sent. */
  stream: ClientHttp2Stream | undefined = undefined
  protected readonly call: AttemptOwner
  protected readonly context: AsyncResource
  readonly #latency: AttemptLatency
  #state: State = 'waiting'
  #controller: Dispatcher.DispatchController | undefined = undefined
  /** Whether the task may have seen the request. */
  protected headersSent = false
  /** For a request with a limit of its own. All others share one timer (`TimeLimit`). */
  #ownLimit: Timer | undefined = undefined
  #rest: DrainResponse | undefined = undefined
  #reported = false
  #dispatching = false
  /** Where it may have to wait for a connection that others use. */
  #slots: Slots | undefined = undefined
  /** Sends it; set while it waits there. */
  #send: (() => void) | undefined = undefined
  /** The attempts on its connection, where responses come one after the other. */
  #line: Line | undefined = undefined

  constructor(call: AttemptOwner, upstream: Upstream, startedAt: number, number: number) {
    super()
    this.upstream = upstream
    this.number = number
    this.call = call
    this.context = call.context
    this.#latency = new AttemptLatency(startedAt)
    upstream.begin(startedAt)
  }

  /** undici's controller of this attempt; undefined until there is a connection. */
  get controller(): Dispatcher.DispatchController | undefined {
    return this.#controller
  }

  /** Whether its response may still come. */
  get isWaiting(): boolean {
    return this.#state === 'waiting'
  }

  protected get isOver(): boolean {
    return this.#state === 'over'
  }

  /** Milliseconds that the upstream took so far, without the time for which this process was busy. */
  elapsedMs(now: number = this.call.route.clock.now()): number {
    return this.#latency.elapsedMs(now, this.call.route.lag)
  }

  /** @param slots where it may have to wait for a connection that others use */
  dispatchOn(pool: Dispatcher, options: Dispatcher.DispatchOptions, slots?: Slots): void {
    // A listener to its beginning may have ended the call.
    if (this.isOver) return
    if (slots !== undefined) {
      this.#slots = slots
      this.call.route.limits.queue.start(this, this.#latency.startedAt)
      if (!slots.enter(this)) {
        this.upstream.enqueue()
        const send = (): void => this.#dispatch(pool, this.call.sentLater(options))
        // A store that is bound to the attempt's beginning holds when it is sent, too.
        this.#send = this.trace === undefined ? send : AsyncResource.bind(send)
        return
      }
    }
    this.#dispatch(pool, options)
  }

  #dispatch(pool: Dispatcher, options: Dispatcher.DispatchOptions): void {
    this.#dispatching = true
    pool.dispatch(options, this)
    this.#dispatching = false
  }

  // What `Slots`, `TimeLimit` and `PipeliningClient` call.

  go(): void {
    const send = this.#send
    const now = this.call.route.clock.now()
    this.#send = undefined
    this.#latency.countFrom(now)
    this.#latency.takenUpAt = now
    this.upstream.dequeue(now)
    if (send !== undefined) this.context.runInAsyncScope(send)
  }

  connectFailed(error: Error): void {
    this.onResponseError(undefined, error)
  }

  destroyed(error: Error): void {
    this.abort(error)
    this.context.runInAsyncScope(() => this.call.failed(error))
  }

  lineUp(line: Line): void {
    this.#line = line
    line.push(this)
  }

  isFirstInLine(now: number): void {
    this.#latency.countFrom(now)
  }

  exceed(): void {
    if (this.#state !== 'waiting') return
    this.context.runInAsyncScope(() => {
      if (this.#controller === undefined) this.#exceedQueue()
      else this.#exceedHeaders(this.call.route.limits.attempt.limitMs)
    })
  }

  /** Ends the attempt at once. */
  abort(reason: Error): void {
    if (!this.#reported) this.report(this.#classifyAbort(reason))
    this.#end()
    this.#cut(reason)
  }

  /** An attempt that began later answered first. */
  cancelAsLoser(): void {
    const reason = new Error('another attempt of the call answered first')
    const outcome = this.#classifyAbort(reason)
    if (!this.#reported) this.report(outcome.kind === 'cancelled' ? { ...outcome, outrun: true } : outcome)
    this.abort(reason)
  }

  /**
   * Takes the request off the wire. undici takes nothing back before it has a connection: then the request leaves in
   * `onRequestStart`.
   *
   * Over HTTP/2 the stream is reset first: undici's own way to do it is dangerous (`cancelStream`).
   */
  #cut(reason: Error): void {
    const slots = this.#slots
    const controller = this.#controller
    if (controller === undefined) {
      if (slots?.isWaiting(this) === true) slots.leave(this)
      return
    }
    const { stream } = this
    if (stream === undefined) controller.abort(reason)
    else {
      // Node's HTTP/2 must not be written to while it reads, and many of the callbacks come from there.
      this.call.route.clock.afterIo(() => {
        cancelStream(stream)
        controller.abort(reason)
      })
    }
    slots?.leave(this)
  }

  // What undici calls.

  onRequestStart(controller: Dispatcher.DispatchController): void {
    const { streamsBody, route } = this.call
    if (this.#state === 'over') return this.#leave(controller)
    if (this.#controller !== undefined) {
      this.#startAgain(controller)
      return
    }
    this.#controller = controller
    if (this.call.paused) controller.pause()
    // Usually a connection is idle, and this is still the turn of the dispatch: no time has passed.
    if (!this.#dispatching) this.#latency.takenUp(route.clock.now(), route.lag)
    if (this.#slots !== undefined) {
      this.limit?.stop(this)
      this.#latency.connected()
      if (route.pools.speaksHttp2(this.upstream)) expectStream(this)
    }
    // HTTP/1.1 writes the headers of a streamed body with its first chunk: see `onBodySent`.
    this.headersSent = !streamsBody || route.pools.speaksHttp2(this.upstream)
    this.#startLimit()
  }

  /** It was aborted while it waited for its connection, and leaves before a byte is written. */
  #leave(controller: Dispatcher.DispatchController): void {
    const over = new Error('the call is over')
    // Only undici's own abort ends the body; it costs the connection.
    if (this.call.streamsBody) controller.abort(over)
    // undici drops a request that throws here, and the next request gets the connection.
    else throw over
  }

  /**
   * undici restarts a request whose connection closed without an error: over HTTP/2 when the task did not process it,
   * over HTTP/1.1 when another request on the connection was aborted. Its time limit goes on.
   */
  #startAgain(controller: Dispatcher.DispatchController): void {
    const isSent = this.headersSent && !this.call.route.pools.speaksHttp2(this.upstream)
    if (this.#state !== 'waiting' || (isSent && !this.call.idempotent)) {
      const why = 'another request on the connection was aborted, which closed it (pool.pipelining)'
      const error = new errors.SocketError(why)
      ownErrors.add(error)
      throw error
    }
    this.#controller = controller
    if (this.stream !== undefined) expectStream(this)
    if (this.call.paused) controller.pause()
  }

  #startLimit(): void {
    const { limits, clock } = this.call.route
    const ownMs = this.call.headersTimeout
    if (ownMs === undefined) limits.attempt.start(this, this.#latency.takenUpAt)
    else if (ownMs > 0) {
      const exceed = (): void => {
        if (this.#state === 'waiting') this.#exceedHeaders(ownMs)
      }
      this.#ownLimit = clock.setTimer(() => clock.afterIo(exceed), ownMs)
    }
  }

  protected upgraded(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    if (this.#state !== 'waiting') {
      socket.destroy()
      return
    }
    this.#controller = controller
    this.statusCode = statusCode
    const now = this.call.route.clock.now()
    const latencyMs = this.elapsedMs(now)
    this.report({ kind: 'response', status: statusCode, latencyMs, retryAfterMs: undefined }, now)
    this.#slots?.leave(this)
    // A listener may have ended the call. Then the call destroys the socket.
    if (!this.isOver) {
      this.#end()
      this.call.acceptResponse(this, latencyMs)
    }
    this.call.upgraded(statusCode, headers, socket)
  }

  protected responded(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (this.#state !== 'waiting') return
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
  protected outcomeOf(
    statusCode: number,
    headers: IncomingHttpHeaders,
    latencyMs: number,
  ): Outcome & { kind: 'response' } {
    const { pools } = this.call.route
    return responseOutcome(statusCode, headers, latencyMs, this.#latency.startedAt, this.upstream, pools)
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

  protected ended(trailers: IncomingHttpHeaders): void {
    const forwarding = this.#state === 'forwarding'
    this.#end()
    this.#slots?.leave(this)
    if (forwarding) this.call.succeeded(trailers)
  }

  protected errored(given: Error): void {
    const state = this.#state
    // undici is about to reset it with NO_ERROR, in this turn: after its `bodyTimeout`, or for a response that it refuses.
    if (this.stream !== undefined) cancelStream(this.stream)
    this.#slots?.leave(this)
    if (state === 'over') return
    if (state === 'draining') {
      this.#end()
      return
    }
    // With retries off this is undici with discovery: the caller gets undici's own error.
    const error = this.call.route.retry === undefined ? given : explained(given)
    const outcome = this.#classify(error)
    this.report(outcome)
    this.#end()
    if (state === 'forwarding') this.call.failed(error)
    else this.call.attemptFailed(this, outcome, error)
  }

  #forwardStart(statusCode: number, headers: IncomingHttpHeaders, statusMessage: string | undefined): void {
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
  #drain(controller: Dispatcher.DispatchController): void {
    this.#state = 'draining'
    this.#rest = new DrainResponse(this.call.route.clock, () => {
      this.#end()
      this.#cut(new Error('the rest of a response that the caller does not get was too long or too slow'))
    })
    if (controller.paused) controller.resume()
  }

  #exceedHeaders(limitMs: number): void {
    const isBehind = this.#line !== undefined && this.#line[0] !== this
    const overdue = headersOverdue(limitMs, this.elapsedMs(), isBehind)
    this.#giveUp(overdue)
    this.call.route.pools.fellSilent(this.upstream, this.#slots, this.#latency.takenUpAt)
    this.call.attemptFailed(this, overdue.outcome, overdue.error)
  }

  #exceedQueue(): void {
    const overdue = connectionOverdue(this.call.route, this.upstream, this.#slots, this, this.#connectingMs())
    this.#giveUp(overdue)
    this.call.attemptFailed(this, overdue.outcome, overdue.error)
  }

  #giveUp({ outcome, error }: Overdue): void {
    this.report(outcome)
    this.#end()
    this.#cut(error)
  }

  #classify(error: Error): Outcome {
    if (ownErrors.has(error)) return { kind: 'cancelled', latencyMs: 0 }
    // undici may have begun it before. Then it was not processed, or it may be sent again.
    const isConnected = this.#controller !== undefined && !isConnectError(error)
    return classifyError(error, {
      latencyMs: this.elapsedMs(),
      isConnected,
      isSent: isConnected && this.headersSent,
      // In the turn of the dispatch no socket has spoken yet: undici found the error in the request.
      isRequestsFault: this.#dispatching || this.call.isCallersFault(error, this.upstream),
    })
  }

  #classifyAbort(reason: Error): Outcome {
    const isConnecting = this.#controller === undefined && (this.#slots?.isConnecting(this) ?? true)
    // Waiting in the queue says nothing about the upstream.
    if (!isConnecting && this.#controller === undefined) return { kind: 'cancelled', latencyMs: 0 }
    if (!isConnecting) return classifyAbort(reason, this.elapsedMs(), Number.POSITIVE_INFINITY)
    return classifyAbort(reason, this.#connectingMs(), this.call.route.connectMs)
  }

  /** For how long it has waited for a connection that is being made: in the queue, not while others used one. */
  #connectingMs(): number {
    const elapsedMs = this.elapsedMs()
    const slots = this.#slots
    if (slots?.isWaiting(this) !== true) return elapsedMs
    return Math.min(elapsedMs, this.call.route.clock.now() - slots.changedAt)
  }

  /** Passes an outcome on to the cluster: the first one, or a second one that says more. */
  protected report(outcome: Outcome, now: number = this.call.route.clock.now()): void {
    if (this.trace !== undefined) {
      this.trace.outcome = outcome
      this.trace.error = 'error' in outcome ? outcome.error : undefined
    }
    const { cluster } = this.call.route
    if (!this.#reported && this.#send === undefined) this.upstream.stopWaiting(outcome, now)
    this.#reported = true
    cluster.report(this.upstream, outcome, now, this.#latency.startedAt, this.call)
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#stopLimit()
    this.#rest?.end()
    if (this.#line !== undefined) this.#leaveLine(this.#line)
    this.upstream.end()
    if (this.trace === undefined) return
    this.trace.durationMs = this.call.route.clock.now() - this.#latency.startedAt
    traceOver(attemptTracing, this.trace)
  }

  #stopLimit(): void {
    this.limit?.stop(this)
    this.#ownLimit?.cancel()
  }

  #leaveLine(line: Line): void {
    const place = line.indexOf(this)
    if (place >= 0) line.splice(place, 1)
    if (place === 0) line[0]?.isFirstInLine(this.call.route.clock.now())
  }
}
