import { setTimeout as delay } from 'node:timers/promises'

const BEAT_MS = 10

/**
 * Time in which this process could act: a beat in each turn of its event loop, one in 10 ms at most. A machine that others
 * use lets a process stand still; what is late by the clock then is not late by this.
 */
export class Awake implements Disposable {
  #beats = 0
  readonly #timer = setInterval(() => this.#beats++, BEAT_MS)

  /** ms since this began, of those that the process was awake. */
  now(): number {
    return this.#beats * BEAT_MS
  }

  /** @returns false when it does not hold within `ms` */
  async eventually(ms: number, holds: () => boolean): Promise<boolean> {
    const until = this.now() + ms
    while (!holds()) {
      if (this.now() > until) return false
      await delay(BEAT_MS)
    }
    return true
  }

  /** @returns false when it has not settled within `ms` */
  async within(ms: number, promise: Promise<unknown>): Promise<boolean> {
    let settled = false
    void promise.then(
      () => (settled = true),
      () => (settled = true),
    )
    return this.eventually(ms, () => settled)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
