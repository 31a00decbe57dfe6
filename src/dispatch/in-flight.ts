import type { AsyncResource } from 'node:async_hooks'
import { notify } from './notify.ts'

/** A call without an open request. */
interface Waiting {
  /** Its caller's. */
  readonly context: AsyncResource
  failed(error: Error): void
}

/**
 * The calls of one route that are in flight: `close()` waits for them, `destroy()` ends them.
 *
 * undici ends the requests on the wire. Calls that wait for discovery or for their next attempt have no request, and are
 * kept here.
 */
export class InFlight {
  #count = 0
  readonly #waiting = new Set<Waiting>()
  #onIdle: (() => void)[] = []
  #destroyed: Error | undefined
  /** Made for the first that asks for it. */
  #aborter: AbortController | undefined

  /** Calls in flight. */
  get count(): number {
    return this.#count
  }

  /** Whether the client is destroyed: no attempt may begin. */
  get isDestroyed(): boolean {
    return this.#destroyed !== undefined
  }

  /** Aborts when the client is destroyed, with the error that calls get. */
  get signal(): AbortSignal {
    this.#aborter ??= new AbortController()
    if (this.#destroyed !== undefined) this.#aborter.abort(this.#destroyed)
    return this.#aborter.signal
  }

  /** A call begins. */
  begin(): void {
    this.#count++
  }

  /** A call is over. */
  end(): void {
    this.#count--
    if (this.#count > 0 || this.#onIdle.length === 0) return
    const waiting = this.#onIdle
    this.#onIdle = []
    for (const resolve of waiting) resolve()
  }

  /** The call waits. @returns false if the client is destroyed: then the call has failed */
  startsWaiting(call: Waiting): boolean {
    if (this.#destroyed !== undefined) {
      call.failed(this.#destroyed)
      return false
    }
    this.#waiting.add(call)
    return true
  }

  /** The call waits no longer. */
  stopsWaiting(call: Waiting): void {
    this.#waiting.delete(call)
  }

  /** Resolves when the last call is over. */
  whenIdle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onIdle.push(resolve))
  }

  /** Ends all calls that wait, now and later. */
  destroy(error: Error): void {
    this.#destroyed = error
    // Their callers are others than the one that destroys the client.
    for (const call of this.#waiting) notify(() => call.context.runInAsyncScope(() => call.failed(error)))
    this.#aborter?.abort(error)
  }
}
