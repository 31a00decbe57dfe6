import type { Clock, Timer } from '../../core/clock.ts'

/** The limit to one call, over all its attempts and the response body. */
export class CallDeadline {
  readonly #endsAt: number
  readonly #timer: Timer
  #isCancelled = false

  constructor(clock: Clock, limitMs: number, now: number, onOver: (limitMs: number) => void) {
    this.#endsAt = now + limitMs
    const over = (): void => {
      if (!this.#isCancelled) onOver(limitMs)
    }
    // After pending I/O callbacks: a process that was busy first reads the response that is there.
    this.#timer = clock.setTimer(() => clock.afterIo(over), limitMs, true)
  }

  /** Whole ms that are left. */
  leftMs(now: number): number {
    return Math.max(0, Math.floor(this.#endsAt - now))
  }

  /** Frees the timer. Does nothing after that. */
  cancel(): void {
    this.#isCancelled = true
    this.#timer.cancel()
  }
}
