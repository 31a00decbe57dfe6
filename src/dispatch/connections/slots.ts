import { AsyncResource } from 'node:async_hooks'
import { throwLater } from '../../core/async/throw-later.ts'

/** An attempt that waits for a connection. */
export interface Waiter {
  /** It has its slot: to be sent now. */
  go(): void
  /** The connection that it waited for could not be made. */
  connectFailed(error: Error): void
  /** The client is destroyed. */
  destroyed(error: Error): void
}

/**
 * How many attempts may be on the connections to one task at once, and the queue of those that wait.
 *
 * undici has a queue, too, but nobody can leave it: a request that was aborted there is connected for all the same,
 * one after the other, and holds up the next ones and the pool's `close()`. So attempts are handed to undici only when
 * there is a connection for them. What waits here can leave at any moment, has its own time limit, and is told at once
 * when the task cannot be connected to.
 *
 * Where HTTP/2 is possible, one attempt goes ahead until its connection tells which protocol is spoken: with HTTP/2 the
 * others need no connections of their own.
 */
export class Slots {
  readonly #limit: number
  readonly #perConnection: number
  readonly #mayBeHttp2: boolean
  /** In undici's hands. */
  readonly #inUse = new Set<Waiter>()
  /** In the order in which they came, each with the async context in which it is to be sent. */
  readonly #waiting = new Map<Waiter, AsyncResource>()
  /** Connections that are open. */
  #open = 0
  /** When one was opened or closed last, on the clock. */
  #changedAt = Number.NEGATIVE_INFINITY
  /** Whether the last connection speaks it; undefined before the first one. */
  #speaksHttp2: boolean | undefined
  /** Goes ahead to find out which protocol is spoken. */
  #ahead: Waiter | undefined
  #onIdle: (() => void) | undefined

  /**
   * @param connections that may be open at once; Infinity: any number
   * @param perConnection attempts that may be on one of them at once
   */
  constructor(connections: number, perConnection: number, mayBeHttp2: boolean) {
    this.#limit = connections * perConnection
    this.#perConnection = perConnection
    this.#mayBeHttp2 = mayBeHttp2
  }

  /** @returns whether it goes at once; else `go` is called when it may */
  enter(waiter: Waiter): boolean {
    if (this.#waiting.size === 0 && this.#hasRoom()) {
      this.#take(waiter)
      return true
    }
    this.#waiting.set(waiter, new AsyncResource('ONEHOP_QUEUED_ATTEMPT'))
    return false
  }

  /** It is done, or does not want to wait any more. Calling this again does nothing. */
  leave(waiter: Waiter): void {
    if (this.#ahead === waiter) this.#ahead = undefined
    this.#waiting.delete(waiter)
    if (this.#inUse.delete(waiter)) this.#letIn()
    this.#checkIdle()
  }

  /** Whether it waits here, and is not in undici's hands. */
  isWaiting(waiter: Waiter): boolean {
    return this.#waiting.has(waiter)
  }

  /** Whether one that has no connection yet waits for one that is being made, and not for one that others use. */
  isConnecting(waiter: Waiter): boolean {
    const hasItsOwn = this.#perConnection === 1 && !this.#sharesConnections
    return this.#open === 0 || (hasItsOwn && this.#inUse.has(waiter))
  }

  /** When a connection was opened or closed last, on the clock: what waits for one has waited for others before. */
  get changedAt(): number {
    return this.#changedAt
  }

  /** Whether attempts other than this one are on the connections. */
  hasOthers(waiter: Waiter): boolean {
    return this.#inUse.size > (this.#inUse.has(waiter) ? 1 : 0)
  }

  get isIdle(): boolean {
    return this.#inUse.size === 0 && this.#waiting.size === 0
  }

  /** Calls back when nothing is under way any more; at once, if nothing is. */
  whenIdle(callback: () => void): void {
    this.#onIdle = callback
    this.#checkIdle()
  }

  connected(speaksHttp2: boolean, now: number): void {
    this.#open++
    this.#changedAt = now
    this.#speaksHttp2 = speaksHttp2
    this.#ahead = undefined
    this.#letIn()
  }

  disconnected(now: number): void {
    this.#open--
    this.#changedAt = now
  }

  /** A connection could not be made. Where none is open, those that wait would wait for the same. */
  connectFailed(error: Error): void {
    this.#ahead = undefined
    if (this.#open === 0) this.refuse(error)
  }

  /** There are no connections for those that wait. */
  refuse(error: Error): void {
    this.#empty((waiter) => waiter.connectFailed(error))
  }

  destroy(error: Error): void {
    this.#empty((waiter) => waiter.destroyed(error))
  }

  get #sharesConnections(): boolean {
    return this.#mayBeHttp2 && this.#speaksHttp2 !== false
  }

  #hasRoom(): boolean {
    if (this.#inUse.size >= this.#limit) return false
    return !this.#sharesConnections || this.#open > 0 || this.#ahead === undefined
  }

  #take(waiter: Waiter): void {
    this.#inUse.add(waiter)
    if (this.#sharesConnections && this.#open === 0) this.#ahead = waiter
  }

  #letIn(): void {
    for (const [waiter, context] of this.#waiting) {
      if (!this.#hasRoom()) return
      this.#waiting.delete(waiter)
      this.#take(waiter)
      call(context, () => waiter.go())
    }
  }

  #empty(tell: (waiter: Waiter) => void): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const [waiter, context] of waiting) call(context, () => tell(waiter))
    this.#checkIdle()
  }

  #checkIdle(): void {
    if (this.#onIdle === undefined || !this.isIdle) return
    const callback = this.#onIdle
    this.#onIdle = undefined
    callback()
  }
}

/** In the context of its own caller, and whatever a handler throws there, the others are called. */
function call(context: AsyncResource, callback: () => void): void {
  try {
    context.runInAsyncScope(callback)
  } catch (error) {
    throwLater(error)
  }
}
