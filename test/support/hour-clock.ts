import { systemClock, type Clock } from '../../src/core/clock.ts'
import { manualClock } from '../../src/testing/fakes/manual-clock.ts'

export const HOUR_MS = 3_600_000

/** A clock on which hours pass when a test says so, and all timers that are shorter are real. */
export interface HourClock extends Clock {
  /** Moves time on, as far as it is not real. */
  pass(ms: number): Promise<void>
}

/**
 * For a limit that must not be over before something real has happened, however busy the machine is: give it an hour, await
 * what should happen, and let the hour pass.
 */
export function hourClock(): HourClock {
  const hours = manualClock()
  return {
    ...systemClock,
    now: () => hours.now(),
    setTimer: (callback, delayMs, awaited) =>
      (delayMs < HOUR_MS ? systemClock : hours).setTimer(callback, delayMs, awaited),
    pass: (ms) => hours.advance(ms),
  }
}
