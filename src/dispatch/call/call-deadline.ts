import type { Clock, Timer } from '../../core/clock.ts'

/** Until when one call may take, over all its attempts. */
export class CallDeadline {
  /** What was allowed. */
  readonly limitMs: number
  readonly #endsAt: number
  readonly #timer: Timer

  constructor(clock: Clock, limitMs: number, now: number, onOver: (limitMs: number) => void) {
    this.limitMs = limitMs
    this.#endsAt = now + limitMs
    this.#timer = clock.setTimer(() => onOver(limitMs), limitMs, true)
  }

  /** In whole ms, since it is told to others. */
  leftMs(now: number): number {
    return Math.max(0, Math.floor(this.#endsAt - now))
  }

  cancel(): void {
    this.#timer.cancel()
  }
}
