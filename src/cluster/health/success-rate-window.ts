/** Buckets that a window is made of: it forgets a sixth of itself at a time. */
const BUCKETS = 6

/**
 * How many answers of the last while were good and how many bad. Fixed in size; adding costs a division and two
 * comparisons. Pure: time is an argument, and never goes back.
 */
export class RateWindow {
  readonly #bucketMs: number
  readonly #good = new Uint32Array(BUCKETS)
  readonly #bad = new Uint32Array(BUCKETS)
  #goodSum: number
  #badSum: number
  /** Number of the bucket that is being filled, counted from the clock's zero: the same for all windows. */
  #bucket: number
  /** When it is full, on the clock. */
  #bucketEndsAt: number
  /** Where it is counted. */
  #slot: number

  constructor(windowMs: number, now: number) {
    this.#bucketMs = windowMs / BUCKETS
    this.#goodSum = 0
    this.#badSum = 0
    this.#bucket = Math.floor(now / this.#bucketMs)
    this.#bucketEndsAt = (this.#bucket + 1) * this.#bucketMs
    this.#slot = slotOf(this.#bucket)
  }

  add(isGood: boolean, now: number): void {
    if (now >= this.#bucketEndsAt) this.#roll(now)
    if (isGood) {
      this.#good[this.#slot]!++
      this.#goodSum++
    } else {
      this.#bad[this.#slot]!++
      this.#badSum++
    }
  }

  good(now: number): number {
    if (now >= this.#bucketEndsAt) this.#roll(now)
    return this.#goodSum
  }

  bad(now: number): number {
    if (now >= this.#bucketEndsAt) this.#roll(now)
    return this.#badSum
  }

  /** Takes out what another window has counted in the same time, and was counted here as well. */
  subtract(other: RateWindow, now: number): void {
    if (now >= this.#bucketEndsAt) this.#roll(now)
    if (now >= other.#bucketEndsAt) other.#roll(now)
    for (let slot = 0; slot < BUCKETS; slot++) {
      const good = Math.min(this.#good[slot] ?? 0, other.#good[slot] ?? 0)
      const bad = Math.min(this.#bad[slot] ?? 0, other.#bad[slot] ?? 0)
      this.#good[slot]! -= good
      this.#bad[slot]! -= bad
      this.#goodSum -= good
      this.#badSum -= bad
    }
  }

  clear(): void {
    this.#good.fill(0)
    this.#bad.fill(0)
    this.#goodSum = 0
    this.#badSum = 0
  }

  /** To be called when a bucket is full. */
  #roll(now: number): void {
    const bucket = Math.floor(now / this.#bucketMs)
    const passed = Math.min(BUCKETS, bucket - this.#bucket)
    for (let i = 1; i <= passed; i++) {
      const slot = slotOf(this.#bucket + i)
      this.#goodSum -= this.#good[slot] ?? 0
      this.#badSum -= this.#bad[slot] ?? 0
      this.#good[slot] = 0
      this.#bad[slot] = 0
    }
    this.#bucket = bucket
    this.#bucketEndsAt = (bucket + 1) * this.#bucketMs
    this.#slot = slotOf(bucket)
  }
}

function slotOf(bucket: number): number {
  return ((bucket % BUCKETS) + BUCKETS) % BUCKETS
}
