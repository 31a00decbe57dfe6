import type { Clock, Timer } from './clock.ts'

/** How often the loop is measured while there are calls: 200 timers a second, less than 0.1 % of a core. */
const EVERY_MS = 5
/** Timers fire a millisecond or two after their time even in an idle process. */
const TOLERANCE_MS = 3
/** No calls: the process may sleep. */
const STOP_AFTER_MS = 1_000

/**
 * The delay of this process's event loop.
 *
 * While a callback computes for 50 ms, answers wait in the kernel. Their time is measured when they are read, so the 50 ms
 * would count as latency of the tasks that sent them. If tasks answer in a millisecond, one garbage collection makes peak
 * EWMA avoid a task for half a minute.
 *
 * A timer that is overdue shows the delay so far. One that fired too late shows it for all that is read in the same turn
 * of the loop, and for the limits of time that end with it.
 */
export class LoopLag {
  readonly #clock: Clock
  #timer: Timer | undefined
  #dueAt = 0
  #askedAt = 0
  #lateMs = 0
  #wokeAt = 0
  #hasWoken = false
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * In ms before `now`; 0 if there is no delay, and for the first question in a second. It may be longer than what the
   * caller measures, which then counts.
   */
  at(now: number): number {
    this.#askedAt = now
    if (this.#timer === undefined) {
      this.#schedule(now)
      return 0
    }
    const lateMs = this.#hasWoken ? this.#lateMs + now - this.#wokeAt : now - this.#dueAt
    return lateMs > TOLERANCE_MS ? lateMs : 0
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #schedule(now: number): void {
    if (this.#closed) return
    this.#dueAt = now + EVERY_MS
    this.#timer = this.#clock.setTimer(() => this.#onTick(), EVERY_MS)
  }

  #onTick(): void {
    const now = this.#clock.now()
    this.#timer = undefined
    if (now - this.#askedAt > STOP_AFTER_MS) return
    this.#lateMs = now - this.#dueAt
    this.#wokeAt = now
    this.#hasWoken = true
    const forget = (): void => {
      if (this.#wokeAt === now) this.#hasWoken = false
    }
    // Limits whose timers fired in this turn ask in its `afterIo`: after the first of these two, and before the second.
    this.#clock.afterIo(() => this.#clock.afterIo(forget))
    this.#schedule(now)
  }
}
