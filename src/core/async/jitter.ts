import type { Random } from '../clock.ts'

/**
 * Full jitter: anything up to the exponential step, so that calls which failed together do not come back
 * together. AWS Architecture Blog, "Exponential Backoff and Jitter" (Marc Brooker, 2015).
 * @param retry 1 for the first retry
 */
export function fullJitter(retry: number, baseMs: number, maxDelayMs: number, random: Random): number {
  return random.next() * Math.min(maxDelayMs, baseMs * 2 ** Math.min(retry - 1, 30))
}
