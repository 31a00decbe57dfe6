import { setImmediate as afterIo } from 'node:timers/promises'

/** Turns of the event loop in which a process reads that connections are gone, and acts on it. */
const TURNS = 5

/**
 * Calls beside a fault, and which of them it may cost: those that are in flight on a task when it is killed, and those that
 * are sent there until this process has read that its connections are gone. How many these are depends on the machine. That
 * no others fail does not.
 */
export class Losses {
  begun = 0
  failed = 0
  /** Errors of calls that ended before the fault, or began after it. */
  readonly unexpected: unknown[] = []
  #phase: 'before' | 'during' | 'after' = 'before'

  /** Counts a call; never rejects. */
  async count(call: () => Promise<unknown>): Promise<void> {
    const isLater = this.#phase === 'after'
    this.begun++
    try {
      await call()
    } catch (error) {
      this.failed++
      if (isLater || this.#phase === 'before') this.unexpected.push(error)
    }
  }

  /**
   * @param fault kills a task, and returns when its process has ended
   * @returns how many calls began meanwhile
   */
  async during(fault: () => Promise<void>): Promise<number> {
    const before = this.begun
    this.#phase = 'during'
    await fault()
    for (let turn = 0; turn < TURNS; turn++) await afterIo()
    this.#phase = 'after'
    return this.begun - before
  }
}
