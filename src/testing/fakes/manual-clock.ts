import { systemClock, type Clock, type Timer } from '../../core/clock.ts'

/** A clock that moves only by its methods. */
export interface ManualClock extends Clock {
  /**
   * Moves time on, firing the timers that fall due in their order, each at its own time. Between two timers
   * (and after the last) promises get the chance to settle, so what they start is timed as in real life.
   */
  advance(ms: number): Promise<void>
  /** Timers that are set and have not fired: 0 when everything was cleaned up. */
  readonly pendingTimers: number
}

interface Waiting {
  readonly at: number
  readonly callback: () => void
}

/**
 * A clock for tests of code that waits, expires or decays.
 * @param startMs what `now()` returns at first
 */
export function manualClock(startMs = 0): ManualClock {
  let now = startMs
  /** In the order in which they were set. */
  const waiting = new Set<Waiting>()

  const nextDue = (until: number): Waiting | undefined => {
    let next: Waiting | undefined
    for (const timer of waiting) if (timer.at <= until && timer.at < (next?.at ?? Infinity)) next = timer
    return next
  }

  return {
    now: () => now,
    setTimer(callback, delayMs): Timer {
      const timer = { at: now + Math.max(0, delayMs), callback }
      waiting.add(timer)
      return { cancel: () => void waiting.delete(timer) }
    },
    afterIo: (callback) => systemClock.afterIo(callback),
    async advance(ms) {
      const until = now + ms
      await settle()
      for (let due = nextDue(until); due !== undefined; due = nextDue(until)) {
        now = due.at
        waiting.delete(due)
        due.callback()
        await settle()
      }
      now = until
    },
    get pendingTimers() {
      return waiting.size
    },
  }
}

/** Two turns of the event loop's check phase: every promise chain that needs no I/O has run to its end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => systemClock.afterIo(resolve))
}
