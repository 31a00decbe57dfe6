import { setLimit, type Clock, type Timer } from '../../core/clock.ts'
import { notify } from '../notify.ts'

/** An entry of a `TimeLimit`, which alone writes these fields. All are `undefined` at first. */
export interface Limited {
  /** The limit that it is in; undefined: none. */
  limit: TimeLimit | undefined
  /** When its time is over, on the clock. */
  dueAt: number
  /** Its neighbours in the list. */
  earlier: Limited | undefined
  later: Limited | undefined
  /** Its time is over. */
  exceed(): void
}

/**
 * One time limit for many attempts, with one timer.
 *
 * All have the same limit, so they are due in the order in which they began: a linked list, where start and stop are a few
 * assignments. The timer is set for the first entry, and stays when that one stops. So a call sets no timer, and the limit
 * is exact.
 */
export class TimeLimit {
  readonly limitMs: number
  readonly #clock: Clock
  #first: Limited | undefined = undefined
  #last: Limited | undefined = undefined
  #timer: Timer | undefined = undefined

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock
    this.limitMs = limitMs
  }

  /** Its time begins. */
  start(limited: Limited, now: number): void {
    const last = this.#last
    limited.limit = this
    limited.dueAt = now + this.limitMs
    limited.earlier = last
    if (last === undefined) this.#first = limited
    else last.later = limited
    this.#last = limited
    if (this.#timer === undefined) this.#setTimer(this.limitMs)
  }

  /** It is done in time. Does nothing if it is not in this limit. */
  stop(limited: Limited): void {
    if (limited.limit !== this) return
    const { earlier, later } = limited
    if (earlier === undefined) this.#first = later
    else earlier.later = later
    if (later === undefined) this.#last = earlier
    else later.earlier = earlier
    limited.limit = undefined
    limited.earlier = undefined
    limited.later = undefined
  }

  /** Frees the timer. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #setTimer(delayMs: number): void {
    // It need not keep the process alive: the open connections do.
    this.#timer = setLimit(this.#clock, delayMs, () => this.#exceed())
  }

  #exceed(): void {
    const now = this.#clock.now()
    this.#timer = undefined
    for (let first = this.#first; first !== undefined; first = this.#first) {
      if (first.dueAt > now) {
        if (this.#timer === undefined) this.#setTimer(first.dueAt - now)
        return
      }
      this.stop(first)
      notify(() => first.exceed())
    }
  }
}

/** The time limit of a single attempt. */
export class OwnTimeLimit extends TimeLimit {
  override stop(limited: Limited): void {
    super.stop(limited)
    this.close()
  }
}
