/**
 * How long calls take, of late: which share of them took how long.
 *
 * Three histograms of ten seconds each are filled in turn, so that what is told is of the last 20 to 30 seconds and
 * nothing is kept of single calls. Buckets grow by 5 %: that is how exact the answers are. Time is an argument.
 */
const SLOTS = 3
const SLOT_MS = 10_000
const GROWTH = Math.log(1.05)
const SMALLEST_MS = 0.1
/** Up to three minutes: nobody waits for more. */
const BUCKETS = 1 + Math.ceil(Math.log(180_000 / SMALLEST_MS) / GROWTH)

export class LatencyHistogram {
  readonly #slots: readonly Uint32Array[] = Array.from({ length: SLOTS }, () => new Uint32Array(BUCKETS))
  readonly #counts = new Uint32Array(SLOTS)
  #slot = 0
  #slotEndsAt: number

  constructor(now: number) {
    this.#slotEndsAt = now + SLOT_MS
  }

  observe(latencyMs: number, now: number): void {
    this.#turn(now)
    const bucket = Math.ceil(Math.log(Math.max(latencyMs, SMALLEST_MS) / SMALLEST_MS) / GROWTH)
    this.#slots[this.#slot]![Math.min(bucket, BUCKETS - 1)]!++
    this.#counts[this.#slot]!++
  }

  /** How many there are. */
  count(now: number): number {
    this.#turn(now)
    return this.#counts.reduce((sum, count) => sum + count, 0)
  }

  /**
   * The time within which this share of the calls was answered, to 5 %.
   * @param share from 0 to 1
   * @returns 0 where there are none
   */
  quantile(share: number, now: number): number {
    const wanted = share * this.count(now)
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      for (const slot of this.#slots) seen += slot[bucket]!
      if (seen > 0 && seen >= wanted) return SMALLEST_MS * Math.exp(bucket * GROWTH)
    }
    return 0
  }

  #turn(now: number): void {
    if (now < this.#slotEndsAt) return
    const passed = Math.min(SLOTS, 1 + Math.floor((now - this.#slotEndsAt) / SLOT_MS))
    for (let step = 0; step < passed; step++) {
      this.#slot = (this.#slot + 1) % SLOTS
      this.#slots[this.#slot]!.fill(0)
      this.#counts[this.#slot] = 0
    }
    this.#slotEndsAt = now + SLOT_MS - ((now - this.#slotEndsAt) % SLOT_MS)
  }
}
