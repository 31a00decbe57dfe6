import type { Random } from '../clock.ts'

/**
 * Exponential backoff with full jitter: a random wait up to the exponential step, so that calls which failed together do
 * not come back together. Source: AWS Architecture Blog, "Exponential Backoff and Jitter" (Marc Brooker, 2015).
 * @param retry 1 for the first retry
 * @param minRatio the shortest wait, as a share of the step
 */
export function fullJitter(
  retry: number,
  baseMs: number,
  maxDelayMs: number,
  random: Random,
  minRatio = 0,
): number {
  const stepMs = Math.min(maxDelayMs, baseMs * 2 ** Math.min(retry - 1, 30))
  return stepMs * (minRatio + (1 - minRatio) * random.next())
}

/** A random value within ± `ratio` of another, so that clients do not act in step. */
export function spread(value: number, ratio: number, random: Random): number {
  return value * (1 + ratio * (2 * random.next() - 1))
}
