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
  /**
   * How long the rate rises at first, from 0 [0]. At the full rate each of the first calls would open a connection, and on a small
   * machine their handshakes delay each other.
   */
  readonly rampMs?: number
  /** How many arms take part; each call goes to one of them at random. */
  readonly arms: number
}

export interface Schedule {
  /** In ms since the start, ascending. */
  readonly dueMs: Float64Array
  /** The arm of each call. */
  readonly arm: Uint8Array
}

export function scheduleOf(options: ScheduleOptions, random: Random): Schedule {
  const { arrivals, perSecond, durationMs, arms, rampMs = 0 } = options
  const due: number[] = []
  // As if the rate were the same throughout. Counted and not summed up, which would drift.
  const meanMs = 1_000 / perSecond
  let steady = arrivals === 'constant' ? 0 : exponential(meanMs, random)
  for (let at = ramped(steady, rampMs); at < durationMs; at = ramped(steady, rampMs)) {
    due.push(at)
    steady = arrivals === 'constant' ? due.length * meanMs : steady + exponential(meanMs, random)
  }
  const arm = Uint8Array.from(due, () => Math.floor(random.next() * arms))
  return { dueMs: Float64Array.from(due), arm }
}

/** The time at which as many calls are due by a rate that rises until `rampMs` as are at `steadyMs` by the full rate. */
function ramped(steadyMs: number, rampMs: number): number {
  const half = rampMs / 2
  return steadyMs < half ? Math.sqrt(2 * steadyMs * rampMs) : steadyMs + half
}

function exponential(mean: number, random: Random): number {
  return -mean * Math.log(1 - random.next())
}
