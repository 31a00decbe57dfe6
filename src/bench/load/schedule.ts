/**
 * When each call is due, and on which arm: drawn before the run, so that nothing that happens in it changes the load.
 * A closed loop waits for slow answers, sends less while they last, and so hides them.
 */
import type { Random } from '../../core/clock.ts'

/** `constant`: evenly spaced. `poisson`: at random, as from many independent users. */
export type Arrivals = 'constant' | 'poisson'

export interface ScheduleOptions {
  readonly arrivals: Arrivals
  readonly perSecond: number
  readonly durationMs: number
  /** How many arms take part; each call goes to one of them at random. */
  readonly arms: number
}

export interface Schedule {
  /** In ms since the start, ascending. */
  readonly dueMs: Float64Array
  /** The arm of each call. */
  readonly arm: Uint8Array
  readonly durationMs: number
}

export function scheduleOf(options: ScheduleOptions, random: Random): Schedule {
  const { arrivals, perSecond, durationMs, arms } = options
  const meanMs = 1_000 / perSecond
  const due: number[] = []
  let next = arrivals === 'constant' ? 0 : exponential(meanMs, random)
  while (next < durationMs) {
    due.push(next)
    // Multiples of the gap and not sums of it, which would drift.
    next = arrivals === 'constant' ? due.length * meanMs : next + exponential(meanMs, random)
  }
  return {
    dueMs: Float64Array.from(due),
    arm: Uint8Array.from(due, () => Math.floor(random.next() * arms)),
    durationMs,
  }
}

function exponential(mean: number, random: Random): number {
  return -mean * Math.log(1 - random.next())
}
