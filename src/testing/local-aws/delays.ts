import type { Clock, Timer } from '../../core/clock.ts'

/** What happens later, unless it is closed before. */
export class Delays {
  readonly #clock: Clock
  readonly #timers = new Set<Timer>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  after(ms: number, action: () => void): void {
    const timer = this.#clock.setTimer(() => {
      this.#timers.delete(timer)
      action()
    }, ms)
    this.#timers.add(timer)
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}
