/** Two distributions, as far as intervals from few blocks need them. */

/**
 * The 97.5th percentile of Student's t.
 * Cornish and Fisher's expansion: Abramowitz and Stegun 26.7.5. The error is below 0.001 from 9 degrees of freedom.
 */
export function studentT975(degreesOfFreedom: number): number {
  const z = 1.959963984540054
  const n = degreesOfFreedom
  const z3 = z ** 3
  const z5 = z ** 5
  const z7 = z ** 7
  return (
    z +
    (z3 + z) / (4 * n) +
    (5 * z5 + 16 * z3 + 3 * z) / (96 * n ** 2) +
    (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n ** 3)
  )
}

/** The standard normal distribution function, to 1e-7: Abramowitz and Stegun 26.2.17. */
export function normalCdf(x: number): number {
  if (x < 0) return 1 - normalCdf(-x)
  const t = 1 / (1 + 0.2316419 * x)
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
  const polynomial =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return 1 - density * polynomial
}
