import { errors, type Dispatcher } from 'undici'
import type { Duplex } from 'node:stream'
import type { IncomingHttpHeaders } from 'node:http'
import type { Upstream } from '../../cluster/upstream.ts'
import type { Timer } from '../../core/clock.ts'
import type { Outcome } from '../../core/outcome.ts'
import { QueueTimeoutError } from '../../core/errors.ts'
import { attemptTracing, traceOver, type AttemptTrace } from '../../core/tracing.ts'
import type { AttemptOwner } from './attempt-owner.ts'
import { isConnectError, type Line } from '../connections/connector.ts'
import { InContext, type AttemptHandler } from './in-context.ts'
import { retryAfterMs } from '../retry/policy.ts'
import { DrainResponse } from '../connections/drain-response.ts'
import type { Slots, Waiter } from '../connections/slots.ts'
import type { Limited, TimeLimit } from './time-limit.ts'
import {
  explained,
  classifyError,
  classifyAbort,
  classifyLateness,
  isLongConnect,
} from '../classify-outcome.ts'

/** A task that is shutting down says so with its answers, whatever the value. */
const DRAINING_HEADER = 'x-onehop-draining'

/** Made here of what this process did, and nothing to hold against the upstream. */
const ownErrors = new WeakSet<Error>()

/**
 * - `waiting`: no response yet
 * - `forwarding`: its response is the call's
 * - `draining`: its response is not handed on; what is left of it is read so that the connection can be used again
 * - `over`: nothing that comes matters any more
 */
type State = 'waiting' | 'forwarding' | 'draining' | 'over'

/**
 * One try of a call on one upstream: what undici talks to. Judges what happened, tells the cluster once, and
 * lets the call decide what follows. Has none of undici's callbacks of how far sending is (`FollowedAttempt` has).
 */
export class Attempt implements AttemptHandler, Waiter, Limited {
  readonly upstream: Upstream
  /** Of the call's attempts, from 1. */
  readonly number: number
  /** Of its response; 0: none yet. */
  statusCode: number
  /** What listeners are told of it; undefined where nobody listens. */
  trace: AttemptTrace | undefined
  // Of its place among those with the same time limit.
  limit: TimeLimit | undefined
  dueAt: number
  earlier: Limited | undefined
  later: Limited | undefined
  protected readonly call: AttemptOwner
  readonly #startedAt: number
  #state: State
  #controller: Dispatcher.DispatchController | undefined
  /** Whether the task may have seen the request. */
  protected headersSent: boolean
  /** Of this request alone: all others share one timer (`TimeLimit`). */
  #ownLimit: Timer | undefined
  #rest: DrainResponse | undefined
  #reported: boolean
  #dispatching: boolean
  /** Where it may have to wait for a connection that others use. */
  #slots: Slots | undefined
  /** While it waits there: what sends it. */
  #send: (() => void) | undefined
  /** The attempts on its connection, where responses come one after the other. */
  #line: Line | undefined
  /** Since when the upstream is waited for, on the clock: not while others of this client are. */
  #countedFrom: number
  /** When undici took it up, on the clock: as a rule at once. */
  #takenUpAt: number
  /** How much of the time before that was this process being busy. */
  #lateMs: number

  constructor(call: AttemptOwner, upstream: Upstream, startedAt: number, number: number) {
    this.upstream = upstream
    this.number = number
    this.statusCode = 0
    this.trace = undefined
    this.limit = undefined
    this.dueAt = 0
    this.earlier = undefined
    this.later = undefined
    this.call = call
    this.#startedAt = startedAt
    this.#state = 'waiting'
    this.#controller = undefined
    this.headersSent = false
    this.#ownLimit = undefined
    this.#rest = undefined
    this.#reported = false
    this.#dispatching = false
    this.#slots = undefined
    this.#send = undefined
    this.#line = undefined
    this.#countedFrom = startedAt
    this.#takenUpAt = startedAt
    this.#lateMs = 0
    upstream.begin(startedAt)
  }

  /** undici's controller of this attempt; undefined until there is a connection. */
  get controller(): Dispatcher.DispatchController | undefined {
    return this.#controller
  }

  /** Whether it has brought no response yet, and may still. */
  get isWaiting(): boolean {
    return this.#state === 'waiting'
  }

  /** Whether nothing that comes matters any more. */
  protected get isOver(): boolean {
    return this.#state === 'over'
  }

  /** @param slots where it may have to wait for a connection that others use */
  dispatchOn(pool: Dispatcher, options: Dispatcher.DispatchOptions, slots?: Slots): void {
    // A listener that was told of its beginning may have ended the call.
    if (this.isOver) return
    if (slots !== undefined) {
      this.#slots = slots
      this.call.route.limits.queue.start(this, this.#startedAt)
      if (!slots.enter(this)) {
        this.upstream.enqueue()
        this.#send = () => this.#dispatch(pool, this.call.sentLater(options))
        return
      }
    }
    this.#dispatch(pool, options)
  }

  #dispatch(pool: Dispatcher, options: Dispatcher.DispatchOptions): void {
    this.#dispatching = true
    pool.dispatch(options, this.handlerInContext())
    this.#dispatching = false
  }

  /** What undici calls back. */
  protected handlerInContext(): Dispatcher.DispatchHandler {
    return new InContext(this.call.context, this)
  }

  /** There is a connection for it. */
  go(): void {
    const send = this.#send
    const now = this.call.route.clock.now()
    this.#send = undefined
    this.#countedFrom = now
    this.#takenUpAt = now
    this.upstream.dequeue(now)
    if (send !== undefined) this.call.context.runInAsyncScope(send)
  }

  /** The connection that it waited for could not be made. */
  connectFailed(error: Error): void {
    this.call.context.runInAsyncScope(() => this.onResponseError(undefined, error))
  }

  /** The client was destroyed while it waited. */
  destroyed(error: Error): void {
    this.abort(error)
    this.call.context.runInAsyncScope(() => this.call.failed(error))
  }

  /** It is sent over a connection on which responses come in the order of requests. */
  lineUp(line: Line): void {
    this.#line = line
    line.push(this)
  }

  /** Its response is the next to come. */
  isFirstInLine(now: number): void {
    this.#countedFrom = now
  }

  /** Its time is over: to wait for a connection, or for the response headers. */
  exceed(): void {
    if (this.#state !== 'waiting') return
    this.call.context.runInAsyncScope(() => {
      if (this.#controller === undefined) this.#exceedQueue()
      else this.#exceedHeaders(this.call.route.limits.attempt.limitMs)
    })
  }

  /** The caller is gone: ends whatever goes on, at once. */
  abort(reason: Error): void {
    if (!this.#reported) this.#report(this.#judgeAbort(reason))
    this.#end()
    this.#cut(reason)
  }

  /**
   * Takes the request off the wire. Before undici has a connection for it nothing can be taken back: then it leaves when
   * undici takes it up, in `onRequestStart`.
   *
   * A stream of HTTP/2 whose body is not sent to its end cannot be reset: undici does it with NO_ERROR, and Node's HTTP/2
   * then writes empty DATA frames for ever (docs/decisions/015). It is left alone until its connection is closed.
   */
  #cut(reason: Error): void {
    const slots = this.#slots
    const controller = this.#controller
    if (controller === undefined) {
      if (slots?.isWaiting(this) === true) slots.leave(this)
      return
    }
    const { pools, clock } = this.call.route
    if (slots === undefined || !pools.speaksHttp2(this.upstream)) controller.abort(reason)
    else if (this.call.hasBody) pools.retire(this.upstream, slots)
    // Node's HTTP/2 must not be written to while it reads, and that is where many of the callbacks come from.
    else clock.afterIo(() => controller.abort(reason))
    slots?.leave(this)
  }

  /** Another attempt of the call, begun after this one, answered first. */
  cancelAsLoser(): void {
    const reason = new Error('another attempt of the call answered first')
    const judged = this.#judgeAbort(reason)
    if (!this.#reported) this.#report(judged.kind === 'cancelled' ? { ...judged, outrun: true } : judged)
    this.abort(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    const { streamsBody, route } = this.call
    if (this.#state === 'over') return this.#leave(controller)
    if (this.#controller !== undefined) {
      this.#startAgain(controller)
      return
    }
    this.#controller = controller
    if (this.call.paused) controller.pause()
    // As a rule there is an idle connection, and this is the turn of the dispatch: nothing has passed.
    if (!this.#dispatching) {
      this.#takenUpAt = route.clock.now()
      this.#lateMs = Math.min(route.lag.at(this.#takenUpAt), this.#takenUpAt - this.#countedFrom)
    }
    if (this.#slots !== undefined) this.#hasConnection()
    // HTTP/1.1 writes the headers of a streamed body with its first chunk, which `onBodySent` tells of.
    this.headersSent = !streamsBody || route.pools.speaksHttp2(this.upstream)
    this.#startLimit()
  }

  /** Aborted while it waited for its connection: it leaves before a byte is written. */
  #leave(controller: Dispatcher.DispatchController): void {
    const over = new Error('the call is over')
    // undici ends the body with its own abort alone, which costs the connection.
    if (this.call.streamsBody) controller.abort(over)
    // It takes out of its queue what throws here, and the connection is the next one's.
    else throw over
  }

  /** What it waited for was not the upstream. */
  #hasConnection(): void {
    this.limit?.stop(this)
    this.#countedFrom = this.#takenUpAt
    this.#lateMs = 0
  }

  /**
   * undici begins a request anew where its connection closed without an error: over HTTP/2 when the task did not process
   * it, over HTTP/1.1 when another request on the connection was aborted. Its time runs on.
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
    if (this.call.paused) controller.pause()
  }

  #startLimit(): void {
    const { limits, clock } = this.call.route
    const ownMs = this.call.headersTimeout
    if (ownMs === undefined) limits.attempt.start(this, this.#takenUpAt)
    else if (ownMs > 0) {
      const exceed = (): void => {
        if (this.#state === 'waiting') this.#exceedHeaders(ownMs)
      }
      this.#ownLimit = clock.setTimer(() => clock.afterIo(exceed), ownMs)
    }
  }

  onRequestUpgrade(
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
    const latencyMs = this.#elapsedMs(now)
    this.#report({ kind: 'response', status: statusCode, latencyMs, retryAfterMs: undefined }, now)
    this.#slots?.leave(this)
    // A listener may have ended the call: `upgraded` sees to the socket.
    if (!this.isOver) {
      this.#end()
      this.call.acceptResponse(this, latencyMs)
    }
    this.call.upgraded(statusCode, headers, socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (this.#state !== 'waiting') return
    // 1xx announces a response, and is none.
    if (statusCode < 200) {
      this.#tellStart(statusCode, headers, statusMessage)
      return
    }
    this.#stopLimit()
    this.statusCode = statusCode
    const now = this.call.route.clock.now()
    const response: Outcome & { kind: 'response' } = {
      kind: 'response',
      status: statusCode,
      latencyMs: this.#elapsedMs(now),
      retryAfterMs: statusCode < 300 ? undefined : retryAfterMs(headers['retry-after']),
    }
    let outcome = response
    if (this.#isExpired(statusCode, headers)) outcome = { ...outcome, connectionExpired: true }
    if (this.#isDraining(headers)) outcome = { ...outcome, draining: true }
    this.#report(outcome, now)
    // Listeners hear of ejections, and may end the call: nothing is asked or told any more.
    if (this.isOver) return
    if (statusCode >= 400 && this.call.retries(this, outcome)) {
      // Whoever was asked, or told, of the retry has ended the call.
      if (this.isOver) return
      this.#state = 'draining'
      this.#rest = new DrainResponse(this.call.route.clock, this.call.maxDrainBytes, () =>
        this.#stopDraining(),
      )
      if (controller.paused) controller.resume()
      return
    }
    // The user's retry rule threw, and the call with it.
    if (this.isOver) return
    this.#state = 'forwarding'
    this.call.acceptResponse(this, outcome.latencyMs)
    if (this.isOver) return
    this.#tellStart(statusCode, headers, statusMessage)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
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

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    const forwarding = this.#state === 'forwarding'
    this.#end()
    this.#slots?.leave(this)
    if (forwarding) this.call.succeeded(trailers)
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, given: Error): void {
    const state = this.#state
    this.#slots?.leave(this)
    if (state === 'over') return
    if (state === 'draining') {
      this.#end()
      return
    }
    // With retries off this is undici with discovery: its errors are the caller's to know.
    const error = this.call.route.retry === undefined ? given : explained(given)
    const outcome = this.#judge(error)
    this.#report(outcome)
    this.#end()
    if (state === 'forwarding') this.call.failed(error)
    else this.call.attemptFailed(this, outcome, error)
  }

  /** Over HTTP/1.1 a task that is about to end closes its connections, too; HTTP/2 has no such header. */
  #isDraining(headers: IncomingHttpHeaders): boolean {
    if (headers[DRAINING_HEADER] === undefined) return false
    return isClosing(headers) || this.call.route.pools.speaksHttp2(this.upstream)
  }

  /** Whether the connection was there before, and the server had given it up when the request came. */
  #isExpired(statusCode: number, headers: IncomingHttpHeaders): boolean {
    if (statusCode !== 408 || !isClosing(headers)) return false
    return !this.call.route.pools.hasConnectedSince(this.upstream, this.#startedAt)
  }

  #tellStart(statusCode: number, headers: IncomingHttpHeaders, statusMessage: string | undefined): void {
    try {
      this.call.handler.onResponseStart?.(this.call, statusCode, headers, statusMessage)
    } catch (error) {
      this.callerThrew(error as Error)
    }
  }

  /** The caller's handler failed: that ends the call, and is nothing to hold against the upstream. */
  protected callerThrew(error: Error): void {
    this.abort(error)
    this.call.failed(error)
  }

  /** A connection that costs more to save than to open is closed. */
  #stopDraining(): void {
    this.#end()
    this.#cut(new Error('the rest of a response that is not handed on was not worth waiting for'))
  }

  #exceedHeaders(limitMs: number): void {
    const isBehind = this.#line !== undefined && this.#line[0] !== this
    const why = isBehind ? ': another response was to come first on its connection (pool.pipelining)' : ''
    const error = new errors.HeadersTimeoutError(`no response headers in ${limitMs} ms${why}`)
    const outcome: Outcome = isBehind
      ? { kind: 'queue-timeout', waitedMs: limitMs, sent: true, error }
      : classifyLateness(error, this.elapsedMs(), true)
    this.#giveUp(outcome, error)
    this.call.route.pools.fellSilent(this.upstream, this.#slots, this.#takenUpAt)
    this.call.attemptFailed(this, outcome, error)
  }

  /** No connection in time, or, over HTTP/2, no stream. */
  #exceedQueue(): void {
    const { host, limits, pools } = this.call.route
    const { limitMs } = limits.queue
    const { label } = this.upstream
    let error: Error
    let outcome: Outcome
    const isConnecting = this.#slots?.isConnecting(this) === true
    if (isConnecting && isLongConnect(this.#connectingMs(), this.call.route.connectMs)) {
      error = new errors.ConnectTimeoutError(`no connection to ${label} in ${limitMs} ms`)
      outcome = { kind: 'timeout', phase: 'connect', latencyMs: limitMs, error }
    } else if (isConnecting || this.#slots?.hasOthers(this) === true) {
      const why = isConnecting ? 'its connection was still being made' : pools.shortage
      error = new QueueTimeoutError(host, label, limitMs, why)
      outcome = { kind: 'queue-timeout', waitedMs: limitMs, sent: false, error }
    } else {
      // A connection is open, and nobody else uses it: the task takes no requests.
      error = new errors.HeadersTimeoutError(`${label} took no request in ${limitMs} ms`)
      outcome = classifyLateness(error, limitMs, false)
    }
    this.#giveUp(outcome, error)
    this.call.attemptFailed(this, outcome, error)
  }

  #giveUp(outcome: Outcome, error: Error): void {
    this.#report(outcome)
    this.#end()
    this.#cut(error)
  }

  #judge(error: Error): Outcome {
    if (ownErrors.has(error)) return { kind: 'cancelled', latencyMs: 0 }
    // undici may have begun it before: then it was not processed, or it may be sent again.
    const isConnected = this.#controller !== undefined && !isConnectError(error)
    return classifyError(error, {
      latencyMs: this.elapsedMs(),
      isConnected,
      isSent: isConnected && this.headersSent,
      // What undici finds in the turn of the dispatch itself, before any socket could speak, is the request's own.
      isRequestsFault: this.#dispatching || this.call.isCallersFault(error, this.upstream),
    })
  }

  #judgeAbort(reason: Error): Outcome {
    const isConnecting = this.#controller === undefined && (this.#slots?.isConnecting(this) ?? true)
    // In the queue, which counts for nothing.
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

  /** What the upstream took: not the time for which this process was too busy to hear it. */
  elapsedMs(): number {
    return this.#elapsedMs(this.call.route.clock.now())
  }

  #elapsedMs(now: number): number {
    const { lag } = this.call.route
    const lateMs = this.#lateMs + Math.min(lag.at(now), now - this.#takenUpAt)
    return now - this.#countedFrom - lateMs
  }

  #report(outcome: Outcome, now: number = this.call.route.clock.now()): void {
    if (this.trace !== undefined) this.#tellTrace(this.trace, outcome)
    const { cluster } = this.call.route
    if (!this.#reported && this.#send === undefined) this.upstream.stopWaiting(outcome, now)
    this.#reported = true
    cluster.report(this.upstream, outcome, now, this.#startedAt, this.call)
  }

  #tellTrace(trace: AttemptTrace, outcome: Outcome): void {
    trace.outcome = outcome
    trace.error = 'error' in outcome ? outcome.error : undefined
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#stopLimit()
    this.#rest?.end()
    if (this.#line !== undefined) this.#leaveLine(this.#line)
    this.upstream.end()
    if (this.trace !== undefined) traceOver(attemptTracing, this.trace)
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

function isClosing({ connection }: IncomingHttpHeaders): boolean {
  return String(connection).toLowerCase() === 'close'
}
