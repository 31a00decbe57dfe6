import { setLimit, type Clock, type Timer } from '../../core/clock.ts'

/** The limit to one call, over all its attempts and the response body. */
export class CallDeadline {
  readonly #endsAt: number
  readonly #timer: Timer

  constructor(clock: Clock, limitMs: number, now: number, onOver: (limitMs: number) => void) {
    this.#endsAt = now + limitMs
    this.#timer = setLimit(clock, limitMs, () => onOver(limitMs), true)
  }

  /** Whole ms that are left. */
  leftMs(now: number): number {
    return Math.max(0, Math.floor(this.#endsAt - now))
  }

  /** Frees the timer. Does nothing after that. */
  cancel(): void {
    this.#timer.cancel()
  }
}
