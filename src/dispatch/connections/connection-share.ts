import type { AsyncResource } from 'node:async_hooks'
import type { ClientHttp2Stream } from 'node:http2'
import type { Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import type { Clock } from '../../core/clock.ts'
import { cancelStream, expectStream, type StreamOwner } from './http2-streams.ts'
import type { InLine, Line } from './pipelining.ts'
import type { Slots, Waiter } from './slots.ts'

/** An attempt that uses connections along with others. */
export interface Sharer {
  readonly upstream: Upstream
  readonly call: {
    readonly route: { readonly clock: Clock }
    /** The caller's async context. */
    readonly context: AsyncResource
    failed(error: Error): void
  }
  /** From now on only the upstream is waited for. */
  countFrom(now: number): void
  abort(reason: Error): void
  onResponseError(controller: undefined, error: Error): void
}

/**
 * What an attempt has of connections that others use, too: a slot, or its place in the queue for one; with pipelining, its
 * place in line on a connection; over HTTP/2, its stream. Most attempts get a connection of their own, and have none of this.
 */
export class ConnectionShare implements Waiter, InLine, StreamOwner {
  readonly slots: Slots
  /** Over HTTP/2, once it is sent. */
  stream: ClientHttp2Stream | undefined = undefined
  readonly #attempt: Sharer
  /** Sends it; set while it is in the queue. */
  #send: (() => void) | undefined = undefined
  /** The attempts on its connection, where responses come one after the other. */
  #line: Line | undefined = undefined

  constructor(slots: Slots, attempt: Sharer) {
    this.slots = slots
    this.#attempt = attempt
  }

  /** Whether it is in the queue, and undici does not have it. */
  get isQueued(): boolean {
    return this.#send !== undefined
  }

  /** Whether it waits for a new connection, not for one that others use. */
  get isConnecting(): boolean {
    return this.slots.isConnecting(this)
  }

  /** Whether attempts other than this one are on the connections. */
  get hasOthers(): boolean {
    return this.slots.hasOthers(this)
  }

  /** Whether another response comes first on its connection. */
  get isBehind(): boolean {
    return this.#line !== undefined && this.#line[0] !== this
  }

  /** It has no slot yet, and is sent once it has one. */
  queue(send: () => void): void {
    this.#send = send
    this.#attempt.upstream.enqueue()
  }

  /** Of the time until `now`, how long it has waited for a connection that is being made, not while others used one. */
  connectingMs(elapsedMs: number, now: number): number {
    return this.isQueued ? Math.min(elapsedMs, now - this.slots.changedAt) : elapsedMs
  }

  /** undici is about to make its stream. */
  expectStream(): void {
    expectStream(this)
  }

  /**
   * Takes the request off the wire. Over HTTP/2 its stream is reset first: undici's own way to do it is dangerous
   * (`cancelStream`).
   */
  cut(controller: Dispatcher.DispatchController, reason: Error): void {
    const { stream } = this
    if (stream === undefined) controller.abort(reason)
    else {
      // Node's HTTP/2 must not be written to while it reads, and many of the callbacks come from there.
      this.#attempt.call.route.clock.afterIo(() => {
        cancelStream(stream)
        controller.abort(reason)
      })
    }
    this.leave()
  }

  /** undici ended the request, and is about to reset its stream with NO_ERROR, in this turn: after its `bodyTimeout`, or for a response that it refuses. */
  broken(): void {
    if (this.stream !== undefined) cancelStream(this.stream)
    this.leave()
  }

  /** Frees its slot, or its place in the queue. */
  leave(): void {
    this.slots.leave(this)
  }

  /** Its response has ended, or does not matter any more: the next one on the connection comes first. */
  leaveLine(): void {
    const line = this.#line
    const place = line?.indexOf(this) ?? -1
    if (line === undefined || place < 0) return
    line.splice(place, 1)
    if (place === 0) line[0]?.isFirstInLine(this.#attempt.call.route.clock.now())
  }

  // What `Slots` and `PipeliningClient` call.

  go(): void {
    const { call, upstream } = this.#attempt
    const send = this.#send
    const now = call.route.clock.now()
    this.#send = undefined
    this.#attempt.countFrom(now)
    upstream.dequeue(now)
    if (send !== undefined) call.context.runInAsyncScope(send)
  }

  connectFailed(error: Error): void {
    this.#attempt.onResponseError(undefined, error)
  }

  destroyed(error: Error): void {
    const { call } = this.#attempt
    call.context.runInAsyncScope(() => {
      this.#attempt.abort(error)
      call.failed(error)
    })
  }

  lineUp(line: Line): void {
    this.#line = line
    line.push(this)
  }

  isFirstInLine(now: number): void {
    this.#attempt.countFrom(now)
  }
}
