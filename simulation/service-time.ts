import type { Random } from '../src/core/clock.ts'

/** How long a task works on a call, in ms. */
export type ServiceTime = (random: Random) => number

/** Most calls near the median, a few far above, as in real services. `sigma` 0.5: p99 is 3.2 times the median. */
export function lognormal(medianMs: number, sigma: number): ServiceTime {
  return (random) => medianMs * Math.exp(sigma * normal(random))
}

/** G. E. P. Box, M. E. Muller, "A Note on the Generation of Random Normal Deviates", 1958. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
}
