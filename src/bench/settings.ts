import type { ArmOptions, Way } from './arms/arm.ts'
import type { Volume } from './cost/cost.ts'
import type { Prices } from './cost/prices.ts'
import type { Arrivals } from './load/schedule.ts'

/** All that a run depends on. `onehop bench` makes it of its command line. */
export interface BenchSettings extends ArmOptions {
  /** In the order of the report; each once. */
  readonly ways: readonly Way[]
  /** Ways that are left out, with a note, if their first call fails. */
  readonly optional: ReadonlySet<Way>
  /** The way that has a second copy; undefined: none. */
  readonly control: Way | undefined
  /** The way that the others are compared with. */
  readonly baseline: Way
  readonly arrivals: Arrivals
  /** Calls a second, over all arms. */
  readonly perSecond: number
  readonly durationMs: number
  /** Load before the run that is not counted. */
  readonly warmUpMs: number
  readonly maxInFlight: number
  /** Of one call. */
  readonly timeoutMs: number
  readonly seed: number
  /** Cold connections for each way; 0: none. */
  readonly setUpTries: number
  readonly volume: Volume
  readonly prices: Prices
  /** The caller's zone; undefined: the task metadata's. */
  readonly zone: string | undefined
  /** Of the report. */
  readonly title: string | undefined
  /** What a reader has to know about where this ran, e.g. that a local proxy is not an ALB. */
  readonly notices: readonly string[]
  /** The command that repeats the run. */
  readonly command: string
}
