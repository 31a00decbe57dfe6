/**
 * Bounds what retries may add to a service's load.
 *
 * Each call deposits a fraction, each retry withdraws one; a reserve lets quiet clients retry too. When a
 * whole service fails, retries stop at a fifth of the calls instead of tripling them. Retry counts per call
 * cannot do that. Source: Finagle's `RetryBudget`, which forgets after a window as this does.
 */
export interface RetryBudgetOptions {
  /** Retries allowed for each call, e.g. 0.2. */
  readonly ratio: number
  /** Retries a second that are allowed whatever the number of calls. */
  readonly minPerSecond: number
  /** How long deposits and withdrawals count, in ms. */
  readonly windowMs: number
}

const SLOTS = 10

/** Time is an argument; it must not run backwards. */
export class RetryBudget {
  readonly #ratio: number
  readonly #reserve: number
  readonly #slotMs: number
  /** Calls and retries of each tenth of the window. Counts, and no running balance that rounding could wear. */
  readonly #deposits = new Uint32Array(SLOTS)
  readonly #withdrawals = new Uint32Array(SLOTS)
  #deposited = 0
  #withdrawn = 0
  #slot = 0
  #slotEndsAt: number

  constructor(options: RetryBudgetOptions, now: number) {
    this.#ratio = options.ratio
    this.#reserve = (options.minPerSecond * options.windowMs) / 1_000
    this.#slotMs = options.windowMs / SLOTS
    this.#slotEndsAt = now + this.#slotMs
  }

  /** A call begins. */
  deposit(now: number): void {
    if (now >= this.#slotEndsAt) this.#turn(now)
    this.#deposits[this.#slot]!++
    this.#deposited++
  }

  /** Takes one retry out; false when there is none left, and then nothing is taken. */
  tryWithdraw(now: number): boolean {
    if (this.balance(now) < 1) return false
    this.#withdrawals[this.#slot]!++
    this.#withdrawn++
    return true
  }

  /** Retries that may be begun now. */
  balance(now: number): number {
    if (now >= this.#slotEndsAt) this.#turn(now)
    return this.#reserve + this.#ratio * this.#deposited - this.#withdrawn
  }

  /** Withdrawals by deposits, within the window. */
  usedRatio(now: number): number {
    if (now >= this.#slotEndsAt) this.#turn(now)
    return this.#deposited === 0 ? 0 : this.#withdrawn / this.#deposited
  }

  /** To be called when a slot is full. */
  #turn(now: number): void {
    const passed = Math.min(SLOTS, 1 + Math.floor((now - this.#slotEndsAt) / this.#slotMs))
    for (let step = 0; step < passed; step++) {
      this.#slot = (this.#slot + 1) % SLOTS
      this.#deposited -= this.#deposits[this.#slot] ?? 0
      this.#withdrawn -= this.#withdrawals[this.#slot] ?? 0
      this.#deposits[this.#slot] = 0
      this.#withdrawals[this.#slot] = 0
    }
    this.#slotEndsAt = now + this.#slotMs - ((now - this.#slotEndsAt) % this.#slotMs)
  }
}
