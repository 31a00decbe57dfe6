import { notify } from '../notify.ts'

/** An attempt that waits for a connection. */
export interface Waiter {
  /** It has its slot, and is sent now. */
  go(): void
  /** The connection that it waited for failed. */
  connectFailed(error: Error): void
  /** The client was destroyed while it waited. */
  destroyed(error: Error): void
}

/**
 * How many attempts may be on the connections to one task at once, and the queue of those that wait.
 *
 * undici has a queue, too, but a request cannot leave it: undici makes a connection even for an aborted request, which
 * delays the next ones and the pool's `close()`. So undici gets an attempt only when there is a connection for it. An
 * attempt in this queue can leave at any time, has its own time limit, and fails at once if connecting fails.
 *
 * Where HTTP/2 is possible, one attempt goes first until its connection shows the protocol: with HTTP/2 the others need no
 * connections of their own.
 */
export class Slots {
  readonly #connections: number
  readonly #perConnection: number
  readonly #mayBeHttp2: boolean
  /** Attempts that undici has. */
  readonly #inUse = new Set<Waiter>()
  /** Attempts in the queue. */
  readonly #waiting = new Set<Waiter>()
  /** Connections that are open. */
  #open = 0
  /** When a connection was last opened or closed, on the clock. */
  #changedAt = Number.NEGATIVE_INFINITY
  /** Whether the last connection speaks HTTP/2; undefined before the first one. */
  #speaksHttp2: boolean | undefined
  /** The attempt that goes first to find out the protocol. */
  #ahead: Waiter | undefined
  #onIdle: (() => void) | undefined

  /**
   * @param connections that may be open at once; Infinity: any number
   * @param perConnection attempts that may be on one of them at once
   */
  constructor(connections: number, perConnection: number, mayBeHttp2: boolean) {
    this.#connections = connections
    this.#perConnection = perConnection
    this.#mayBeHttp2 = mayBeHttp2
  }

  /** @returns true if it is sent at once; else `go` is called later */
  enter(waiter: Waiter): boolean {
    if (this.#waiting.size === 0 && this.#hasRoom()) {
      this.#take(waiter)
      return true
    }
    this.#waiting.add(waiter)
    return false
  }

  /** It is done, or leaves the queue. A second call does nothing. */
  leave(waiter: Waiter): void {
    if (this.#ahead === waiter) this.#ahead = undefined
    this.#waiting.delete(waiter)
    if (this.#inUse.delete(waiter)) this.#letIn()
    this.#checkIdle()
  }

  /** Whether an attempt without a connection waits for a new one, not for one that others use. */
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

  /** Whether no attempt uses or awaits the connections. */
  get isIdle(): boolean {
    return this.#inUse.size === 0 && this.#waiting.size === 0
  }

  /** Calls back when it is idle: at once, if it is now. */
  whenIdle(callback: () => void): void {
    this.#onIdle = callback
    this.#checkIdle()
  }

  /** A connection was made. */
  connected(speaksHttp2: boolean, now: number): void {
    this.#open++
    this.#changedAt = now
    this.#speaksHttp2 = speaksHttp2
    this.#ahead = undefined
    this.#letIn()
  }

  /** A connection was closed. */
  disconnected(now: number): void {
    this.#open--
    this.#changedAt = now
  }

  /** A connection failed. If none is open, the attempts in the queue fail, too. */
  connectFailed(error: Error): void {
    this.#ahead = undefined
    if (this.#open === 0) this.refuse(error)
  }

  /** Fails the attempts in the queue: they get no connection. */
  refuse(error: Error): void {
    this.#empty((waiter) => waiter.connectFailed(error))
  }

  /** Ends the attempts in the queue: the client is destroyed. */
  destroy(error: Error): void {
    this.#empty((waiter) => waiter.destroyed(error))
  }

  get #sharesConnections(): boolean {
    return this.#mayBeHttp2 && this.#speaksHttp2 !== false
  }

  #hasRoom(): boolean {
    // Until there is a connection, undici keeps all but one attempt for each in a queue, and fails these one after the other.
    const perConnection = this.#open === 0 ? 1 : this.#perConnection
    if (this.#inUse.size >= this.#connections * perConnection) return false
    return !this.#sharesConnections || this.#open > 0 || this.#ahead === undefined
  }

  #take(waiter: Waiter): void {
    this.#inUse.add(waiter)
    if (this.#sharesConnections && this.#open === 0) this.#ahead = waiter
  }

  #letIn(): void {
    for (const waiter of this.#waiting) {
      if (!this.#hasRoom()) return
      this.#waiting.delete(waiter)
      this.#take(waiter)
      notify(() => waiter.go())
    }
  }

  #empty(end: (waiter: Waiter) => void): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const waiter of waiting) notify(() => end(waiter))
    this.#checkIdle()
  }

  #checkIdle(): void {
    if (this.#onIdle === undefined || !this.isIdle) return
    const callback = this.#onIdle
    this.#onIdle = undefined
    callback()
  }
}
