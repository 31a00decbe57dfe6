import { UsageError, valued, type Option } from '../options/option.ts'

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/** An option that is a time with a unit, such as `90s` or `1.5m`, within bounds. All in ms. */
export function duration(
  description: string,
  bounds: { readonly default: number; readonly min: number; readonly max: number },
): Option<number> {
  const { min, max } = bounds
  const read = (given: string): number => {
    const { number, unit = '' } =
      /^(?<number>\d+(?:\.\d+)?)(?<unit>ms|s|m|h)$/.exec(given.trim())?.groups ?? {}
    const ms = Number(number) * (UNITS[unit] ?? Number.NaN)
    if (ms >= min && ms <= max) return ms
    throw new UsageError(`a time with a unit (ms, s, m, h), e.g. 90s, from ${shown(min)} to ${shown(max)}`)
  }
  return valued('TIME', description, read, bounds)
}

/** In the largest unit that it is a multiple of. */
function shown(ms: number): string {
  const [unit, size] = Object.entries(UNITS).find(([, one]) => ms > 0 && ms % one === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}
