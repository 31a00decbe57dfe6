/** The percentiles that are reported, and when a run has enough samples for one. */

/** As a share: 0.99 is p99. */
export const PERCENTILES: readonly number[] = [0.5, 0.9, 0.99, 0.999]

/** A percentile with fewer samples beyond it is decided by a few calls. */
export const MIN_SAMPLES_BEYOND = 100

/** `p99.9` for 0.999. */
export function percentileName(share: number): string {
  return `p${Number((share * 100).toFixed(3))}`
}

/** Whether at least {@link MIN_SAMPLES_BEYOND} of `count` samples lie beyond the percentile. */
export function hasEnoughSamples(count: number, share: number): boolean {
  return count >= samplesFor(share)
}

/** How many samples a percentile needs: 200 for p50, 10,000 for p99. */
export function samplesFor(share: number): number {
  return Math.ceil(MIN_SAMPLES_BEYOND / (1 - share) - 1e-6)
}

/**
 * The nearest rank: the smallest value with at least `share` of all values at or below it.
 * @param sorted ascending
 * @returns NaN for an empty list
 */
export function percentileOf(sorted: ArrayLike<number>, share: number): number {
  return sorted[rankOf(sorted.length, share) - 1] ?? Number.NaN
}

/** The percentile of `sorted`; null if it has too few samples for it. */
export function knownPercentile(sorted: ArrayLike<number>, share: number): number | null {
  return hasEnoughSamples(sorted.length, share) ? percentileOf(sorted, share) : null
}

/** From 1. The small subtraction keeps 1,000 × 0.99, which is 990.0000000000001 here and there, at rank 990. */
export function rankOf(count: number, share: number): number {
  return Math.min(count, Math.max(1, Math.ceil(count * share - 1e-9)))
}
