import type { Attributes, Histogram } from '@opentelemetry/api'
import type { Instruments } from './metrics.ts'

/** The histograms, by their keys among the instruments. */
export type HistogramKey = 'callDuration' | 'attemptDuration' | 'attemptWait' | 'httpDuration'

/** What is measured under one set of attributes. */
export interface Series {
  /** @param value in seconds */
  record(value: number): void
}

/** Where measurements go: to the SDK (here), or to histograms of our own (`histogram-producer.ts`). */
export interface Histograms {
  /** The series of a histogram with these attributes. */
  series(histogram: HistogramKey, attributes: Attributes): Series
  /** Hands over what is kept. */
  flush(): void
}

/** Series that a table knows. Beyond it their attributes are built for each measurement. */
const MAX_KNOWN = 2_000
const MAX_KEPT = 256

type Value = string | number | undefined

class Branch {
  readonly children: Map<Value, Branch> = new Map()
  series: Series | undefined = undefined
}

/**
 * The series of one histogram by host and up to four more values, from which its attributes are made. No object is built
 * for one that is known.
 */
export class SeriesTable<
  Second extends Value = undefined,
  Third extends Value = undefined,
  Fourth extends Value = undefined,
  Fifth extends Value = undefined,
> {
  readonly #root = new Branch()
  readonly #histograms: Histograms
  readonly #histogram: HistogramKey
  readonly #attributesOf: (
    host: string,
    second: Second,
    third: Third,
    fourth: Fourth,
    fifth: Fifth,
  ) => Attributes
  #size = 0

  constructor(
    histograms: Histograms,
    histogram: HistogramKey,
    attributesOf: (host: string, second: Second, third: Third, fourth: Fourth, fifth: Fifth) => Attributes,
  ) {
    this.#histograms = histograms
    this.#histogram = histogram
    this.#attributesOf = attributesOf
  }

  of(host: string, second: Second, third: Third, fourth: Fourth, fifth: Fifth): Series {
    const known = this.#root.children
      .get(host)
      ?.children.get(second)
      ?.children.get(third)
      ?.children.get(fourth)
      ?.children.get(fifth)?.series
    if (known !== undefined) return known
    const series = this.#histograms.series(
      this.#histogram,
      this.#attributesOf(host, second, third, fourth, fifth),
    )
    if (this.#size < MAX_KNOWN) this.#add(series, [host, second, third, fourth, fifth])
    return series
  }

  #add(series: Series, values: readonly Value[]): void {
    this.#size++
    let branch = this.#root
    for (const value of values) {
      const next = branch.children.get(value) ?? new Branch()
      branch.children.set(value, next)
      branch = next
    }
    branch.series = series
  }
}

/**
 * Histograms of the SDK. Recording costs less where many are recorded in a row: the SDK's code and data are in the CPU's
 * caches.
 */
export class SdkHistograms implements Histograms {
  readonly #instruments: Pick<Instruments, HistogramKey>
  // Two lists, and no object for each measurement.
  readonly #series: SdkSeries[] = []
  readonly #values: number[] = []

  constructor(instruments: Pick<Instruments, HistogramKey>) {
    this.#instruments = instruments
  }

  series(histogram: HistogramKey, attributes: Attributes): Series {
    return new SdkSeries(this, this.#instruments[histogram], attributes)
  }

  keep(series: SdkSeries, value: number): void {
    this.#series.push(series)
    if (this.#values.push(value) >= MAX_KEPT) this.flush()
  }

  flush(): void {
    const values = this.#values.splice(0)
    for (const [index, series] of this.#series.splice(0).entries()) series.handOver(values[index] as number)
  }
}

class SdkSeries implements Series {
  readonly #kept: SdkHistograms
  readonly #histogram: Histogram
  readonly #attributes: Attributes

  constructor(kept: SdkHistograms, histogram: Histogram, attributes: Attributes) {
    this.#kept = kept
    this.#histogram = histogram
    this.#attributes = attributes
  }

  record(value: number): void {
    this.#kept.keep(this, value)
  }

  handOver(value: number): void {
    this.#histogram.record(value, this.#attributes)
  }
}
