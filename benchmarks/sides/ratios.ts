import { median } from '../discovery/statistics.ts'

/** Ratios of one side to another, within each round: a slow moment of the machine meets both. */
export class Ratios {
  readonly #sorted: readonly number[]

  constructor(costs: readonly number[], base: readonly number[]) {
    this.#sorted = costs
      .map((cost, round) => cost / (base[round] as number))
      .toSorted((one, other) => one - other)
  }

  get median(): number {
    return median(this.#sorted)
  }

  /** The lower and the upper quartile. */
  get quartiles(): readonly [low: number, high: number] {
    const { length } = this.#sorted
    const at = (index: number): number => this.#sorted[Math.floor(index)] ?? Number.NaN
    return [at(length / 4), at((3 * length) / 4)]
  }
}

/** The mean of the lowest tenth, one at least: the slices that other load disturbed least. */
export function lowestTenth(samples: readonly number[]): number {
  const lowest = samples.toSorted((one, other) => one - other).slice(0, Math.ceil(samples.length / 10))
  return lowest.reduce((sum, cost) => sum + cost, 0) / lowest.length
}
