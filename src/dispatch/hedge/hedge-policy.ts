/**
 * When a slow call gets a second attempt beside the first.
 *
 * A task that pauses or hangs sends no response from which a balancer could learn, until it is over. A second attempt
 * after the time in which nearly all calls are answered costs a few calls in a hundred, and removes the tail latency that
 * single tasks cause. Source: Dean and Barroso, "The Tail at Scale" (2013).
 */
import { RetryBudget, type RetryBudgetOptions } from '../retry/budget.ts'
import { LatencyHistogram } from './latency-histogram.ts'

/** When a second attempt begins beside a slow one. */
export interface HedgeOptions {
  /** A second attempt begins once a call takes longer than this percentage of recent ones, from 50 to 99.9. */
  readonly percentile: number
  /** The least delay of a second attempt, in ms. */
  readonly minMs: number
  /** What hedges may add to the load, over 10 s. Hedges draw on the retry budget, too. */
  readonly budget: HedgeBudgetOptions
}

/** How many calls may be hedged. */
export type HedgeBudgetOptions = Omit<RetryBudgetOptions, 'windowMs'>

const BUDGET_WINDOW_MS = 10_000
/** With fewer calls the slowest 5 % are too few to know. */
const MIN_SAMPLES = 100
/** Reading the histogram takes some microseconds. */
const UPDATE_EVERY_MS = 250

/** The delay and the budget of hedges, for all calls of one route. */
export class HedgePolicy {
  readonly #options: HedgeOptions
  readonly #latencies: LatencyHistogram
  readonly #budget: RetryBudget
  #delayMs: number | undefined
  #updatedAt = Number.NEGATIVE_INFINITY
  /** Second attempts so far. */
  begun = 0
  /** Second attempts that answered first. */
  won = 0

  constructor(options: HedgeOptions, now: number) {
    this.#options = options
    this.#latencies = new LatencyHistogram(now)
    this.#budget = new RetryBudget({ ...options.budget, windowMs: BUDGET_WINDOW_MS }, now)
  }

  /** A call begins that may be hedged. */
  deposit(now: number): void {
    this.#budget.deposit(now)
  }

  /** An attempt of such a call took at least this long to its response headers. */
  observe(latencyMs: number, now: number): void {
    this.#latencies.observe(latencyMs, now)
  }

  /** Delay of a second attempt, in ms; undefined while there are too few latencies. */
  delayMs(now: number): number | undefined {
    if (now - this.#updatedAt >= UPDATE_EVERY_MS) {
      this.#updatedAt = now
      const { percentile, minMs } = this.#options
      this.#delayMs =
        this.#latencies.count(now) < MIN_SAMPLES
          ? undefined
          : Math.max(minMs, this.#latencies.quantile(percentile / 100, now))
    }
    return this.#delayMs
  }

  /** Second attempts by calls, within the budget's window. */
  share(now: number): number {
    return this.#budget.usedRatio(now)
  }

  /** Takes one hedge out of both budgets. @returns false, and takes nothing, if one of them has none left */
  tryWithdraw(retries: RetryBudget, now: number): boolean {
    if (this.#budget.balance(now) < 1 || !retries.tryWithdraw(now)) return false
    this.begun++
    return this.#budget.tryWithdraw(now)
  }
}
