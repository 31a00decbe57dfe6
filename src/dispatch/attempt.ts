import { errors, type Dispatcher } from 'undici'
import type { Duplex } from 'node:stream'
import type { IncomingHttpHeaders } from 'node:http'
import type { Upstream } from '../cluster/upstream.ts'
import type { Timer } from '../core/clock.ts'
import type { Outcome } from '../core/outcome.ts'
import { attemptTracing, traceOver, type AttemptTrace } from '../core/tracing.ts'
import type { AttemptOwner } from './attempt-owner.ts'
import { InContext, type AttemptHandler } from './in-context.ts'
import { retryAfterMs } from './retry-policy.ts'
import { ResponseRest } from './response-rest.ts'
import { isAnswer, verdictOn, verdictOnAbort, verdictOnLateness } from './verdict.ts'

/** A task that is shutting down says so with its answers, whatever the value. */
const DRAINING_HEADER = 'x-onehop-draining'

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
export class Attempt implements AttemptHandler {
  readonly upstream: Upstream
  /** Of the call's attempts, from 1. */
  readonly number: number
  /** Of its response; 0: none yet. */
  statusCode: number
  /** What listeners are told of it; undefined where nobody listens. */
  trace: AttemptTrace | undefined
  protected readonly call: AttemptOwner
  readonly #startedAt: number
  #state: State
  #controller: Dispatcher.DispatchController | undefined
  /** Whether the task may have seen the request. */
  protected headersSent: boolean
  #limit: Timer | undefined
  #rest: ResponseRest | undefined
  #reported: boolean
  #dispatching: boolean
  /** When undici took it up, on the clock: as a rule at once. */
  #takenUpAt: number
  /** How much of the time before that was this process being busy. */
  #lateMs: number

  constructor(call: AttemptOwner, upstream: Upstream, startedAt: number, number: number) {
    this.upstream = upstream
    this.number = number
    this.statusCode = 0
    this.trace = undefined
    this.call = call
    this.#startedAt = startedAt
    this.#state = 'waiting'
    this.#controller = undefined
    this.headersSent = false
    this.#limit = undefined
    this.#rest = undefined
    this.#reported = false
    this.#dispatching = false
    this.#takenUpAt = startedAt
    this.#lateMs = 0
    upstream.began(startedAt)
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

  dispatchOn(pool: Dispatcher, options: Dispatcher.DispatchOptions): void {
    this.#dispatching = true
    pool.dispatch(options, this.handlerInContext())
    this.#dispatching = false
  }

  /** What undici calls back. */
  protected handlerInContext(): Dispatcher.DispatchHandler {
    return new InContext(this.call.context, this)
  }

  /** Gives the attempt up when its response headers are not there in time. */
  limit(limitMs: number): void {
    const { clock } = this.call.route
    this.#limit = clock.setTimer(() => clock.afterIo(() => this.#exceed(limitMs)), limitMs, true)
  }

  /** The caller is gone: ends whatever goes on, at once. */
  abort(reason: Error): void {
    if (!this.#reported) this.#report(this.#judgeAbort(reason))
    this.#end()
    this.#controller?.abort(reason)
  }

  /** Another attempt of the call, begun after this one, answered first. */
  outrun(): void {
    const reason = new Error('another attempt of the call answered first')
    const judged = this.#judgeAbort(reason)
    if (!this.#reported) this.#report(judged.kind === 'cancelled' ? { ...judged, outrun: true } : judged)
    this.abort(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Aborted while it waited for its connection: it leaves before a byte is written.
    if (this.#state === 'over') controller.abort(new Error('the call is over'))
    else if (this.call.paused) controller.pause()
    // HTTP/1.1 writes the headers of a streamed body with its first chunk, which `onBodySent` tells of.
    const { streamsBody, route } = this.call
    // As a rule there is an idle connection, and this is the turn of the dispatch: nothing has passed.
    if (!this.#dispatching) {
      this.#takenUpAt = route.clock.now()
      this.#lateMs = Math.min(route.lag.at(this.#takenUpAt), this.#takenUpAt - this.#startedAt)
    }
    this.headersSent = !streamsBody || route.pools.speaksHttp2(this.upstream)
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
    this.#end()
    this.call.takes(this, latencyMs)
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
    this.#limit?.cancel()
    this.statusCode = statusCode
    const now = this.call.route.clock.now()
    const outcome: Outcome & { kind: 'response' } = {
      kind: 'response',
      status: statusCode,
      latencyMs: this.#elapsedMs(now),
      retryAfterMs: statusCode < 300 ? undefined : retryAfterMs(headers['retry-after']),
    }
    if (headers[DRAINING_HEADER] !== undefined) this.#hearDraining(headers)
    this.#report(outcome, now)
    if (statusCode >= 400 && this.call.retries(this, outcome)) {
      // Whoever was asked, or told, of the retry has ended the call.
      if (this.isOver) return
      this.#state = 'draining'
      this.#rest = new ResponseRest(this.call.route.clock, this.call.maxDrainBytes, () =>
        this.#stopDraining(),
      )
      if (controller.paused) controller.resume()
      return
    }
    // The user's retry rule threw, and the call with it.
    if (this.isOver) return
    this.#state = 'forwarding'
    this.call.takes(this, outcome.latencyMs)
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
    if (forwarding) this.call.succeeded(trailers)
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    const state = this.#state
    if (state === 'over') return
    if (state === 'draining') {
      this.#end()
      return
    }
    const outcome = this.#judge(error)
    this.#report(outcome)
    this.#end()
    if (state === 'forwarding') this.call.failed(error)
    else this.call.attemptFailed(this, outcome, error)
  }

  /** Over HTTP/1.1 a task that is about to end closes its connections, too; HTTP/2 has no such header. */
  #hearDraining({ connection }: IncomingHttpHeaders): void {
    const { cluster, clock, pools } = this.call.route
    const isClosing = String(connection).toLowerCase() === 'close'
    if (isClosing || pools.speaksHttp2(this.upstream)) cluster.drains(this.upstream, clock.now())
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
    this.#controller?.abort(
      new Error('the rest of a response that is not handed on was not worth waiting for'),
    )
  }

  #exceed(limitMs: number): void {
    if (this.#state !== 'waiting') return
    const error = new errors.HeadersTimeoutError(`no response headers in ${limitMs} ms`)
    const outcome = verdictOnLateness(error, this.elapsedMs(), this.#controller !== undefined)
    this.#report(outcome)
    this.#end()
    this.#controller?.abort(error)
    this.call.attemptFailed(this, outcome, error)
  }

  #judge(error: Error): Outcome {
    const latencyMs = this.elapsedMs()
    // What undici finds in the turn of the dispatch itself, before any socket could speak, is the request's own.
    if (this.#dispatching || this.call.isCallersFault(error)) return { kind: 'cancelled', latencyMs }
    return verdictOn(error, latencyMs, this.#controller !== undefined, this.headersSent)
  }

  #judgeAbort(reason: Error): Outcome {
    const { connectMs, mayQueue } = this.call.route
    // It may as well wait for a connection of a full pool.
    const isConnecting = this.#controller === undefined && !mayQueue
    return verdictOnAbort(reason, this.elapsedMs(), isConnecting ? connectMs : Number.POSITIVE_INFINITY)
  }

  /** What the upstream took: not the time for which this process was too busy to hear it. */
  elapsedMs(): number {
    return this.#elapsedMs(this.call.route.clock.now())
  }

  #elapsedMs(now: number): number {
    const { lag } = this.call.route
    const lateMs = this.#lateMs + Math.min(lag.at(now), now - this.#takenUpAt)
    return now - this.#startedAt - lateMs
  }

  #report(outcome: Outcome, now: number = this.call.route.clock.now()): void {
    if (this.trace !== undefined) this.#tellTrace(this.trace, outcome)
    const { cluster } = this.call.route
    if (!this.#reported) this.upstream.waited(isAnswer(outcome), now)
    this.#reported = true
    cluster.report(this.upstream, outcome, now, this.#startedAt)
  }

  #tellTrace(trace: AttemptTrace, outcome: Outcome): void {
    trace.outcome = outcome
    trace.error = 'error' in outcome ? outcome.error : undefined
  }

  #end(): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#limit?.cancel()
    this.#rest?.end()
    this.upstream.requests++
    this.upstream.pending--
    if (this.trace !== undefined) traceOver(attemptTracing, this.trace)
  }
}
