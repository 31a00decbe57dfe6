/**
 * How certain a percentile is, by resampling blocks of one second.
 *
 * Calls that follow each other are alike: a slow second makes all of them slow. So the unit that is drawn is a second, not
 * a call. The same seconds are drawn for every arm, so what slows all arms cancels out in their differences.
 */
import type { Random } from '../../core/clock.ts'
import { percentileOf, rankOf } from './percentiles.ts'
import { normalCdf, studentT975 } from './student.ts'

/** Latencies of one arm, and the block of each. */
export interface ArmSamples {
  /** In ms, in any order. */
  readonly values: Float64Array
  /** Index of the block of each value. */
  readonly blocks: Uint32Array
}

/** An interval that holds the true value in 95 of 100 runs. */
export interface Interval {
  readonly low: number
  readonly high: number
}

export const RESAMPLES = 1_000
/** With fewer blocks the spread between them is a guess. */
export const MIN_BLOCKS = 10

/** The same samples, ascending. */
interface Sorted extends ArmSamples {
  /** How many samples each block has. */
  readonly sizes: Uint32Array
}

/** The percentiles of several arms, and of each in `RESAMPLES` runs that could have been. */
export class Resampled {
  readonly #sorted: readonly Sorted[]
  readonly #shares: readonly number[]
  readonly #blockCount: number
  /** By arm, then by share: one value for each resample. NaN: the arm has no samples in it. */
  readonly #draws: readonly (readonly Float64Array[])[]

  /**
   * @param shares ascending, e.g. 0.5 and 0.99
   * @param blockCount indexes of blocks are below it
   */
  constructor(arms: readonly ArmSamples[], blockCount: number, shares: readonly number[], random: Random) {
    this.#sorted = arms.map((arm) => sortSamples(arm, blockCount))
    this.#shares = shares
    this.#blockCount = blockCount
    this.#draws = arms.map(() => shares.map(() => new Float64Array(RESAMPLES)))
    const times = new Uint32Array(blockCount)
    for (let resample = 0; resample < RESAMPLES; resample++) {
      times.fill(0)
      for (let drawn = 0; drawn < blockCount; drawn++) {
        const block = Math.floor(random.next() * blockCount)
        times[block] = (times[block] ?? 0) + 1
      }
      for (const [arm, sorted] of this.#sorted.entries()) this.#draw(arm, sorted, times, resample)
    }
  }

  /** What was measured, in ms; NaN if the arm has no samples. */
  percentile(arm: number, share: number): number {
    return percentileOf(this.#sorted[arm]?.values ?? [], share)
  }

  /** Of one arm's percentile, in ms. */
  interval(arm: number, share: number): Interval | undefined {
    return this.#intervalOf(this.#drawsOf(arm, share))
  }

  /** Of `arm` − `other`, in ms. */
  difference(arm: number, other: number, share: number): Interval | undefined {
    const others = this.#drawsOf(other, share)
    return this.#intervalOf(
      this.#drawsOf(arm, share).map((value, index) => value - (others[index] ?? Number.NaN)),
    )
  }

  #drawsOf(arm: number, share: number): Float64Array {
    return this.#draws[arm]?.[this.#shares.indexOf(share)] ?? new Float64Array()
  }

  /** Goes through the sorted samples once, each counted as often as its block was drawn. */
  #draw(arm: number, { values, blocks, sizes }: Sorted, times: Uint32Array, resample: number): void {
    let total = 0
    for (let block = 0; block < sizes.length; block++) total += (times[block] ?? 0) * (sizes[block] ?? 0)
    let seen = 0
    let index = -1
    for (const [position, share] of this.#shares.entries()) {
      const rank = rankOf(total, share)
      while (seen < rank && index < values.length - 1) {
        index++
        seen += times[blocks[index] ?? 0] ?? 0
      }
      const draws = this.#draws[arm]?.[position]
      if (draws !== undefined) draws[resample] = total === 0 ? Number.NaN : (values[index] ?? Number.NaN)
    }
  }

  /**
   * The percentile interval, a little wider: with few blocks the plain one holds the true value too rarely (Hesterberg, "What
   * Teachers Should Know About the Bootstrap", 2015, section 5.3: the expanded percentile interval).
   */
  #intervalOf(draws: Float64Array): Interval | undefined {
    const blocks = this.#blockCount
    if (blocks < MIN_BLOCKS) return undefined
    const sorted = draws.filter((value) => !Number.isNaN(value)).toSorted()
    // An arm without calls in some of the resamples is too sparse for an interval.
    if (sorted.length < draws.length || sorted.length === 0) return undefined
    const tail = normalCdf(-studentT975(blocks - 1) * Math.sqrt(blocks / (blocks - 1)))
    return { low: percentileOf(sorted, tail), high: percentileOf(sorted, 1 - tail) }
  }
}

function sortSamples({ values, blocks }: ArmSamples, blockCount: number): Sorted {
  const order = Uint32Array.from(values, (_, index) => index)
  order.sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0))
  const sizes = new Uint32Array(blockCount)
  for (const block of blocks) sizes[block] = (sizes[block] ?? 0) + 1
  return {
    values: Float64Array.from(order, (index) => values[index] ?? 0),
    blocks: Uint32Array.from(order, (index) => blocks[index] ?? 0),
    sizes,
  }
}
