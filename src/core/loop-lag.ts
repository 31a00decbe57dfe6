import type { Clock, Timer } from './clock.ts'

/** How often the loop is measured while there are calls: 200 timers a second, less than 0.1 % of a core. */
const EVERY_MS = 5
/** Timers fire up to a millisecond or two late in a process that has nothing to do. */
const TOLERANCE_MS = 3
/** No calls: the process may sleep. */
const STOP_AFTER_MS = 1_000

/**
 * By how much this process is late with what it hears.
 *
 * While a callback computes for 50 ms, answers wait in the kernel. Their time is measured when they are read, and
 * without this the 50 ms would be held against the tasks that sent them: with tasks that answer in a millisecond, a
 * garbage collection makes peak EWMA avoid one of them for half a minute.
 *
 * A timer that should fire now and has not shows how long the loop has been held up; one that fired late shows it for
 * all that is read in the same turn of the loop, up to `afterIo`.
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
   * In ms, counted back from `now`; 0 for a process that keeps up, and for the first time in a second that it is
   * asked. May reach back to before what is being timed: the lesser of the two counts.
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
    this.#clock.afterIo(() => {
      this.#hasWoken = false
    })
    this.#schedule(now)
  }
}
