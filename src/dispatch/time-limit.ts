import type { Clock, Timer } from '../core/clock.ts'
import { throwLater } from '../core/throw-later.ts'

/** Something that may take so long. In at most one line at a time. */
export abstract class Limited {
  /** When its time is over, on the clock; its neighbours in the line. Only `TimeLimit` writes these. */
  dueAt: number
  earlier: Limited | undefined
  later: Limited | undefined

  constructor() {
    this.dueAt = 0
    this.earlier = undefined
    this.later = undefined
  }

  /** Its time is over. */
  abstract exceed(): void
}

class Ends extends Limited {
  // A line begins and ends here: never due.
  exceed(): void {}
}

/**
 * One time limit for many attempts, with one timer.
 *
 * All have the same limit, so they are due in the order in which they began: a line in which each attempt takes a place
 * at its end, and gives it up from wherever it stands, by a few assignments. The timer is set for the first in the line.
 * It is not moved when that one is done, and finds out when it fires. So a call sets no timer, and the limit is exact.
 */
export class TimeLimit {
  readonly limitMs: number
  readonly #clock: Clock
  readonly #ends: Limited
  #timer: Timer | undefined

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock
    this.limitMs = limitMs
    this.#ends = new Ends()
    this.#ends.earlier = this.#ends
    this.#ends.later = this.#ends
    this.#timer = undefined
  }

  start(limited: Limited, now: number): void {
    const ends = this.#ends
    const last = ends.earlier ?? ends
    limited.dueAt = now + this.limitMs
    limited.earlier = last
    limited.later = ends
    last.later = limited
    ends.earlier = limited
    if (this.#timer === undefined) this.#setTimer(this.limitMs)
  }

  /** It is done, or was never begun: in whichever line it stands. */
  static stop(limited: Limited): void {
    const { earlier, later } = limited
    if (earlier === undefined || later === undefined) return
    earlier.later = later
    later.earlier = earlier
    limited.earlier = undefined
    limited.later = undefined
  }

  /** Frees the timer. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #setTimer(delayMs: number): void {
    // It keeps no process alive: the connections that are waited for do.
    this.#timer = this.#clock.setTimer(() => this.#clock.afterIo(() => this.#exceed()), delayMs)
  }

  /** After the sockets were heard: a process that was busy must not take its own lateness for that of others. */
  #exceed(): void {
    const now = this.#clock.now()
    const ends = this.#ends
    this.#timer = undefined
    for (;;) {
      const first = ends.later ?? ends
      if (first === ends) return
      if (first.dueAt > now) {
        if (this.#timer === undefined) this.#setTimer(first.dueAt - now)
        return
      }
      TimeLimit.stop(first)
      try {
        first.exceed()
      } catch (error) {
        throwLater(error)
      }
    }
  }
}
