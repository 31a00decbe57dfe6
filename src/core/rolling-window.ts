/**
 * Counts of the recent past: a ring of slots that forgets the oldest slot as a whole. Its size is fixed; counting
 * allocates nothing and costs one comparison beside the additions. Time is an argument and must not go back.
 */
export class RollingWindow {
  readonly #slots: number
  readonly #slotMs: number
  readonly #counters: number
  readonly #from: number
  /** By slot, then by counter. */
  readonly #counts: Uint32Array
  /** By counter, over all slots. */
  readonly #totals: Uint32Array
  /** Number of the current slot, counted from `from`. */
  #current = 0
  #currentEndsAt = 0
  /** Where the current slot begins in `#counts`. */
  #offset = 0

  /**
   * @param slots the window is `slots` × `slotMs` long and forgets one slot at a time
   * @param counters how many things are counted, each by its index from 0
   * @param from when a slot begins, in ms on the clock: windows with the same value forget at the same moments
   */
  constructor(slots: number, slotMs: number, counters: number, from: number) {
    this.#slots = slots
    this.#slotMs = slotMs
    this.#counters = counters
    this.#from = from
    this.#counts = new Uint32Array(slots * counters)
    this.#totals = new Uint32Array(counters)
    this.#currentEndsAt = from + slotMs
  }

  add(counter: number, now: number): void {
    if (now >= this.#currentEndsAt) this.#advance(now)
    this.#counts[this.#offset + counter]!++
    this.#totals[counter]!++
  }

  total(counter: number, now: number): number {
    if (now >= this.#currentEndsAt) this.#advance(now)
    return this.#totals[counter]!
  }

  /** All totals, by counter. Valid until the next call of any method. */
  totals(now: number): ArrayLike<number> {
    if (now >= this.#currentEndsAt) this.#advance(now)
    return this.#totals
  }

  /** Takes out the counts of another window of the same shape whose events were counted here as well. */
  subtract(other: RollingWindow, now: number): void {
    if (now >= this.#currentEndsAt) this.#advance(now)
    if (now >= other.#currentEndsAt) other.#advance(now)
    for (let index = 0; index < this.#counts.length; index++) {
      const count = Math.min(this.#counts[index]!, other.#counts[index]!)
      this.#counts[index]! -= count
      this.#totals[index % this.#counters]! -= count
    }
  }

  clear(): void {
    this.#counts.fill(0)
    this.#totals.fill(0)
  }

  /** Moves on to the slot of `now` and forgets those that it passes. */
  #advance(now: number): void {
    const current = Math.floor((now - this.#from) / this.#slotMs)
    const passed = Math.min(this.#slots, current - this.#current)
    for (let step = 1; step <= passed; step++) this.#forget(this.#current + step)
    this.#current = current
    this.#currentEndsAt = this.#from + (current + 1) * this.#slotMs
    this.#offset = (current % this.#slots) * this.#counters
  }

  #forget(slot: number): void {
    const offset = (slot % this.#slots) * this.#counters
    for (let counter = 0; counter < this.#counters; counter++) {
      this.#totals[counter]! -= this.#counts[offset + counter]!
      this.#counts[offset + counter] = 0
    }
  }
}
