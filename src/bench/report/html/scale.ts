/** Maps values to pixels, and finds round numbers for the axis. */
export interface Scale {
  /** In pixels. */
  at(value: number): number
  readonly ticks: readonly number[]
}

/** From `from` to `to` pixels. */
export interface Pixels {
  readonly from: number
  readonly to: number
}

const STEPS = [1, 2, 5]

/** @param ticks about how many */
export function linearScale(min: number, max: number, { from, to }: Pixels, ticks = 5): Scale {
  const span = max - min || 1
  const rough = span / ticks
  const decade = 10 ** Math.floor(Math.log10(rough))
  const step = decade * ([...STEPS, 10].find((size) => size * decade >= rough) ?? 10)
  const first = Math.ceil(min / step - 1e-9)
  const last = Math.floor(max / step + 1e-9)
  return {
    at: (value) => from + ((value - min) / span) * (to - from),
    ticks: Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => (first + index) * step),
  }
}

/** @param min above 0 */
export function logScale(min: number, max: number, { from, to }: Pixels): Scale {
  const [low, high] = [Math.log10(min), Math.log10(max)]
  const span = high - low || 1
  const ticks: number[] = []
  for (let decade = Math.floor(low); decade <= Math.ceil(high); decade++)
    for (const step of STEPS) {
      // 5 × 10^-1 is 0.5, and not 0.5000000000000001.
      const tick = Number((step * 10 ** decade).toPrecision(3))
      if (tick >= min * 0.999 && tick <= max * 1.001) ticks.push(tick)
    }
  const tooMany = ticks.length > 9
  return {
    at: (value) => from + ((Math.log10(Math.max(value, min)) - low) / span) * (to - from),
    ticks: tooMany ? ticks.filter((tick) => Number.isInteger(Number(Math.log10(tick).toFixed(6)))) : ticks,
  }
}
