import { RollingWindow } from '../../core/rolling-window.ts'

/**
 * Bounds what retries add to a service's load.
 *
 * Each call deposits a fraction of a retry, each retry withdraws one. A reserve lets clients with few calls retry, too.
 * When a whole service fails, retries stop at a fifth of the calls, where retry counts per call would triple the load.
 * Source: Finagle's `RetryBudget`, which also forgets after a window.
 */
export interface RetryBudgetOptions {
  /** Retries allowed for each call, e.g. 0.2. */
  readonly ratio: number
  /** Retries a second that are allowed whatever the number of calls. */
  readonly minPerSecond: number
  /** How long deposits and withdrawals count, in ms. */
  readonly windowMs: number
}

/** The window forgets a tenth at a time. */
const SLOTS = 10
const DEPOSITS = 0
const WITHDRAWALS = 1
const COUNTERS = 2

/** The retries that calls have deposited. Time is an argument and must not go back. */
export class RetryBudget {
  readonly #ratio: number
  readonly #reserve: number
  /** Counts, not a running balance, in which rounding errors would add up. */
  readonly #window: RollingWindow

  constructor({ ratio, minPerSecond, windowMs }: RetryBudgetOptions, now: number) {
    this.#ratio = ratio
    this.#reserve = (minPerSecond * windowMs) / 1_000
    this.#window = new RollingWindow(SLOTS, windowMs / SLOTS, COUNTERS, now)
  }

  /** A call begins. */
  deposit(now: number): void {
    this.#window.add(DEPOSITS, now)
  }

  /** Takes one retry out. @returns false, and takes nothing, if none is left */
  tryWithdraw(now: number): boolean {
    if (this.balance(now) < 1) return false
    this.#window.add(WITHDRAWALS, now)
    return true
  }

  /** Retries that may begin now. */
  balance(now: number): number {
    const deposits = this.#window.total(DEPOSITS, now)
    return this.#reserve + this.#ratio * deposits - this.#window.total(WITHDRAWALS, now)
  }

  /** Withdrawals by deposits, within the window. */
  usedRatio(now: number): number {
    const deposits = this.#window.total(DEPOSITS, now)
    return deposits === 0 ? 0 : this.#window.total(WITHDRAWALS, now) / deposits
  }
}
