import { AsyncResource } from 'node:async_hooks'
import { throwLater } from '../../core/async/throw-later.ts'
import type { Clock } from '../../core/clock.ts'
import type { Endpoint, Snapshot } from '../endpoint.ts'
import type { ServiceView } from './service-view.ts'

/** Gets the endpoints of a service: those that are known, then each other set. */
export type SnapshotListener = (snapshot: Snapshot) => void

/**
 * Passes the snapshots of one view to one listener, and keeps the view refreshed meanwhile. A snapshot with the same
 * endpoints as the last one is not passed: each lookup makes a new one.
 */
export class Watch implements Disposable {
  readonly #view: ServiceView
  readonly #listener: SnapshotListener
  readonly #ended: () => void
  /** The caller's: lookups run in the context of the call that started them. */
  readonly #context = new AsyncResource('ONEHOP_WATCH')
  readonly #lookedUp = (): void => this.#pass()
  #passed: readonly Endpoint[] | undefined
  #isOver = false

  /** @param ended called once, when the watch is disposed of */
  constructor(view: ServiceView, listener: SnapshotListener, clock: Clock, ended: () => void) {
    this.#view = view
    this.#listener = listener
    this.#ended = ended
    view.addWatcher(this.#lookedUp)
    if (view.touch(clock.now())) this.#pass()
    // What has expired is not passed: its addresses may be another task's by now. A failure is in `view.error`.
    else view.whenUsable().catch(() => undefined)
  }

  /** Nothing is passed from now on. A second time it does nothing. */
  [Symbol.dispose](): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#view.removeWatcher(this.#lookedUp)
    this.#ended()
  }

  #pass(): void {
    const { snapshot } = this.#view
    if (snapshot === undefined || snapshot.endpoints === this.#passed) return
    this.#passed = snapshot.endpoints
    try {
      this.#context.runInAsyncScope(this.#listener, undefined, snapshot)
    } catch (error) {
      // The other watchers get their snapshot.
      throwLater(error)
    }
  }
}
