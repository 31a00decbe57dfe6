import { UsageError } from '../options/option.ts'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/**
 * `90s`, `1.5m`
 * @throws UsageError for another form, and beyond the bounds
 */
export function milliseconds(given: string, min: number, max: number): number {
  const { number, unit = '' } = /^(?<number>\d+(?:\.\d+)?)(?<unit>ms|s|m|h)$/.exec(given.trim())?.groups ?? {}
  const ms = Number(number) * (UNITS[unit] ?? Number.NaN)
  if (!(ms >= min && ms <= max))
    throw new UsageError(`a time with a unit (ms, s, m, h), e.g. 90s, from ${shown(min)} to ${shown(max)}`)
  return ms
}

function shown(ms: number): string {
  for (const unit of ['h', 'm', 's']) {
    const size = UNITS[unit] ?? 1
    if (ms > 0 && ms % size === 0) return `${ms / size}${unit}`
  }
  return `${ms}ms`
}
