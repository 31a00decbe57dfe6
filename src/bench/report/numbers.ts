/** Numbers as people read them. */

/** Three significant digits at most: `0.213 ms`, `12.3 ms`, `1,002 ms`. */
export function ms(value: number): string {
  return `${digits(value)} ms`
}

export function digits(value: number): string {
  const rounded = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
  // Below a microsecond the clock measures nothing.
  return (Math.abs(rounded) < 0.001 ? 0 : rounded).toLocaleString('en', { maximumFractionDigits: 3 })
}

/** `0.21 to 0.25 ms` */
export function range(low: number, high: number): string {
  return `${digits(low)} to ${ms(high)}`
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** `12 %`, `0.03 %` */
export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2)).toLocaleString('en')} %`
}

/** `$12.30`, `$0.0012`: small sums must not look like nothing. */
export function dollars(value: number): string {
  const text =
    Math.abs(value) >= 0.01 || value === 0 ? value.toFixed(2) : String(Number(value.toPrecision(2)))
  return `$${text.replace(/\B(?=(\d{3})+(?!\d)(?=.*\.))/g, ',')}`
}

/** `45 s`, `5 min`, `1 h 10 min` */
export function duration(value: number): string {
  const seconds = Math.round(value / 1_000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

export function bytes(value: number): string {
  if (value < 10_000) return `${count(value)} B`
  return value < 1e7 ? `${digits(value / 1e3)} kB` : `${digits(value / 1e6)} MB`
}
