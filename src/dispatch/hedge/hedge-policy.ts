/**
 * When a call is so late that a second attempt beside the first is worth its cost.
 *
 * A task that pauses, or hangs, answers nothing that a balancer could learn from until it is over. A second attempt
 * after the time within which nearly all calls are answered costs a few calls in a hundred, and takes the tail that
 * single tasks make out of what callers see. Source: Dean and Barroso, "The Tail at Scale" (2013).
 */
import { LatencyHistogram } from './latency-histogram.ts'
import { RetryBudget, type RetryBudgetOptions } from '../retry/budget.ts'

/** When a second attempt begins beside a slow one. */
export interface HedgeOptions {
  /** A second attempt begins once a call takes longer than this percentage of recent ones, from 50 to 99.9. */
  readonly percentile: number
  /** And no earlier than this. */
  readonly minMs: number
  /** What hedges may add to the load; they draw on the budget of retries, too. */
  readonly budget: RetryBudgetOptions
}

/** Fewer say nothing of the slowest 5 in 100. */
const MIN_SAMPLES = 100
/** Adding up the histograms takes some microseconds. */
const LEARN_EVERY_MS = 250

/** What the calls of one route that may be hedged have in common. */
export class HedgePolicy {
  readonly #options: HedgeOptions
  readonly #latencies: LatencyHistogram
  readonly #budget: RetryBudget
  #delayMs: number | undefined
  #learnedAt = Number.NEGATIVE_INFINITY
  /** Second attempts that were begun. */
  begun = 0
  /** Of these, those that answered first. */
  won = 0

  constructor(options: HedgeOptions, now: number) {
    this.#options = options
    this.#latencies = new LatencyHistogram(now)
    this.#budget = new RetryBudget(options.budget, now)
  }

  /** A call begins that may be hedged. */
  deposit(now: number): void {
    this.#budget.deposit(now)
  }

  /** An attempt of such a call took this long to its response headers, or longer. */
  observe(latencyMs: number, now: number): void {
    this.#latencies.observe(latencyMs, now)
  }

  /** After how long a second attempt is to begin; undefined while too little is known. */
  delayMs(now: number): number | undefined {
    if (now - this.#learnedAt >= LEARN_EVERY_MS) {
      this.#learnedAt = now
      const { percentile, minMs } = this.#options
      this.#delayMs =
        this.#latencies.count(now) < MIN_SAMPLES
          ? undefined
          : Math.max(minMs, this.#latencies.quantile(percentile / 100, now))
    }
    return this.#delayMs
  }

  /** Second attempts by calls, of late. */
  share(now: number): number {
    return this.#budget.usedRatio(now)
  }

  /** Takes one hedge out of both budgets; false when one of them has none left, and then nothing is taken. */
  tryWithdraw(retries: RetryBudget, now: number): boolean {
    if (this.#budget.balance(now) < 1 || !retries.tryWithdraw(now)) return false
    this.begun++
    return this.#budget.tryWithdraw(now)
  }
}
