import type { AsyncResource } from 'node:async_hooks'
import { throwLater } from '../core/async/throw-later.ts'

/** A call that has nothing open. */
interface Waiting {
  /** Its caller's. */
  readonly context: AsyncResource
  failed(error: Error): void
}

/**
 * The calls of one route that are under way, so that `close()` can wait for them and `destroy()` can end them.
 *
 * Those on the wire are undici's to end. Those that wait, for discovery or for their next attempt, have
 * nothing open that could be destroyed, and are kept by name.
 */
export class InFlight {
  #count = 0
  readonly #waiting = new Set<Waiting>()
  #onIdle: (() => void)[] = []
  #destroyed: Error | undefined

  get count(): number {
    return this.#count
  }

  begin(): void {
    this.#count++
  }

  end(): void {
    this.#count--
    if (this.#count > 0 || this.#onIdle.length === 0) return
    const waiting = this.#onIdle
    this.#onIdle = []
    for (const resolve of waiting) resolve()
  }

  /** @returns false when the call was ended instead: its client has been destroyed */
  startsWaiting(call: Waiting): boolean {
    if (this.#destroyed !== undefined) {
      call.failed(this.#destroyed)
      return false
    }
    this.#waiting.add(call)
    return true
  }

  stopsWaiting(call: Waiting): void {
    this.#waiting.delete(call)
  }

  /** Resolves when the last call is over. */
  whenIdle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onIdle.push(resolve))
  }

  /** Ends the calls that wait, and from now on each that would. */
  destroy(error: Error): void {
    this.#destroyed = error
    for (const call of this.#waiting) fail(call, error)
  }
}

/** A handler that throws when it is told of a failure must not keep the others from being told. */
function fail(call: Waiting, error: Error): void {
  try {
    // Its caller is another than the one who destroys the client.
    call.context.runInAsyncScope(() => call.failed(error))
  } catch (thrown) {
    throwLater(thrown)
  }
}
