import { RollingWindow } from '../../core/rolling-window.ts'

/** The window forgets a sixth of itself at a time. */
const SLOTS = 6
const GOOD = 0
const BAD = 1

/** Counts of good and bad answers. Windows of the same length forget at the same moments, so they can be subtracted. */
export class SuccessRateWindow {
  readonly #counts: RollingWindow

  constructor(windowMs: number) {
    this.#counts = new RollingWindow(SLOTS, windowMs / SLOTS, 2, 0)
  }

  add(isGood: boolean, now: number): void {
    this.#counts.add(isGood ? GOOD : BAD, now)
  }

  good(now: number): number {
    return this.#counts.total(GOOD, now)
  }

  bad(now: number): number {
    return this.#counts.total(BAD, now)
  }

  /** Takes out the answers of another window that were counted here as well. */
  subtract(other: SuccessRateWindow, now: number): void {
    this.#counts.subtract(other.#counts, now)
  }

  clear(): void {
    this.#counts.clear()
  }
}
