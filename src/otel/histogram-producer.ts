import { ValueType, type Attributes, type HrTime } from '@opentelemetry/api'
import { checkKeys, checkOneOf } from '../core/check/check.ts'
import { currentDate } from '../core/clock.ts'
import { bucketsOf, METRICS } from './metrics.ts'
import type { HistogramKey, Histograms, Series } from './series.ts'

/** How a producer counts. */
export interface HistogramProducerOptions {
  /**
   * Whether counts are since the start, or since the last collection, as the exporter wants them [`cumulative`]. With
   * `delta`, each reader needs a producer of its own.
   */
  readonly temporality?: 'cumulative' | 'delta' | undefined
}

/** One set of attributes at one collection: the SDK's `DataPoint<Histogram>`. */
export interface HistogramPoint {
  /** Since when it counts. */
  readonly startTime: HrTime
  /** When it was collected. */
  readonly endTime: HrTime
  /** Of the series. */
  readonly attributes: Attributes
  /** Durations in seconds, by bucket and in sum. */
  readonly value: {
    readonly buckets: { boundaries: number[]; counts: number[] }
    readonly sum: number
    readonly count: number
    readonly min: number
    readonly max: number
  }
}

/** One histogram at one collection: the SDK's `HistogramMetricData`. */
export interface HistogramData {
  /** Name, unit and buckets, as in docs/observability.md. */
  readonly descriptor: {
    readonly name: string
    readonly type: 'HISTOGRAM'
    readonly description: string
    readonly unit: string
    readonly valueType: ValueType
    readonly advice: object
  }
  /** The SDK's `AggregationTemporality`: 0 for delta, 1 for cumulative. */
  readonly aggregationTemporality: 0 | 1
  /** The SDK's `DataPointType.HISTOGRAM`. */
  readonly dataPointType: 0
  /** One for each set of attributes. */
  readonly dataPoints: HistogramPoint[]
}

/**
 * The durations of calls and attempts, counted in buckets here and not by the SDK. A `MetricProducer` for the
 * `metricProducers` of the SDK's metric readers, as OpenTelemetry has for metrics from elsewhere. Views do not apply to it.
 * @see https://opentelemetry.io/docs/specs/otel/metrics/sdk/#metricproducer
 */
export interface HistogramProducer {
  /** For the reader. It takes the resource of its meter provider. */
  collect(): Promise<{
    resourceMetrics: {
      resource: never
      scopeMetrics: { scope: { readonly name: string }; metrics: HistogramData[] }[]
    }
    errors: unknown[]
  }>
}

/**
 * Makes histograms that cost a call a fraction of what the SDK's cost. Give it to a metric reader and to `observe`:
 *
 *     const histograms = histogramProducer()
 *     new PeriodicExportingMetricReader({ exporter, metricProducers: [histograms] })
 *     observe(client, { histograms })
 * @throws InvalidOptionsError for an option that is not allowed
 */
export function histogramProducer(options: HistogramProducerOptions = {}): HistogramProducer {
  const { temporality = 'cumulative' } = checkKeys('histogramProducer', options, ['temporality'])
  const isDelta =
    checkOneOf('histogramProducer.temporality', temporality as string, ['cumulative', 'delta']) === 'delta'
  return new OwnHistograms(isDelta)
}

/** As the SDK has it for each instrument. */
const MAX_SERIES = 2_000
const OVERFLOW: Attributes = { 'otel.metric.overflow': true }

/** The histograms of a producer. */
export class OwnHistograms implements HistogramProducer, Histograms {
  /** Whether a reader has asked for them. */
  wasCollected = false
  readonly #isDelta: boolean
  readonly #series: Readonly<Record<HistogramKey, Map<string, OwnSeries>>> = {
    callDuration: new Map(),
    attemptDuration: new Map(),
    attemptWait: new Map(),
    httpDuration: new Map(),
  }

  constructor(isDelta: boolean) {
    this.#isDelta = isDelta
  }

  series(histogram: HistogramKey, attributes: Attributes): Series {
    const all = this.#series[histogram]
    const key = JSON.stringify(attributes)
    const known = all.get(key)
    if (known !== undefined) return known
    if (all.size >= MAX_SERIES - 1 && attributes !== OVERFLOW) return this.series(histogram, OVERFLOW)
    const series = new OwnSeries(attributes, bucketsOf(METRICS[histogram]), now())
    all.set(key, series)
    return series
  }

  /** Nothing is kept: a measurement counts at once. */
  flush(): void {
    return undefined
  }

  collect(): ReturnType<HistogramProducer['collect']> {
    this.wasCollected = true
    const endTime = now()
    const metrics = Object.entries(this.#series).flatMap(([histogram, all]) => {
      const dataPoints = [...all.values()].flatMap((series) => series.read(endTime, this.#isDelta))
      return dataPoints.length === 0 ? [] : [this.#dataOf(histogram as HistogramKey, dataPoints)]
    })
    const scopeMetrics = metrics.length === 0 ? [] : [{ scope: { name: 'onehop' }, metrics }]
    return Promise.resolve({ resourceMetrics: { resource: undefined as never, scopeMetrics }, errors: [] })
  }

  #dataOf(histogram: HistogramKey, dataPoints: HistogramPoint[]): HistogramData {
    const { name, description, unit } = METRICS[histogram]
    return {
      descriptor: { name, type: 'HISTOGRAM', description, unit, valueType: ValueType.DOUBLE, advice: {} },
      aggregationTemporality: this.#isDelta ? 0 : 1,
      dataPointType: 0,
      dataPoints,
    }
  }
}

class OwnSeries implements Series {
  readonly #attributes: Attributes
  readonly #boundaries: readonly number[]
  #startTime: HrTime
  #counts: number[]
  // Initial values here: V8 keeps a changing number in place (docs/decisions/017).
  #sum = 0
  #min: number = Number.POSITIVE_INFINITY
  #max: number = Number.NEGATIVE_INFINITY

  constructor(attributes: Attributes, boundaries: readonly number[], startTime: HrTime) {
    this.#attributes = attributes
    this.#boundaries = boundaries
    this.#startTime = startTime
    this.#counts = this.#zeros()
  }

  record(value: number): void {
    const boundaries = this.#boundaries
    let bucket = 0
    while (bucket < boundaries.length && value > (boundaries[bucket] as number)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#sum += value
    if (value < this.#min) this.#min = value
    if (value > this.#max) this.#max = value
  }

  /** @returns one point, or none if nothing was recorded */
  read(endTime: HrTime, isDelta: boolean): HistogramPoint[] {
    const counts = [...this.#counts]
    const count = counts.reduce((sum, inBucket) => sum + inBucket, 0)
    const point = {
      startTime: this.#startTime,
      endTime,
      attributes: this.#attributes,
      value: {
        buckets: { boundaries: [...this.#boundaries], counts },
        ...{ sum: this.#sum, count, min: this.#min, max: this.#max },
      },
    }
    if (isDelta) this.#reset(endTime)
    return count === 0 ? [] : [point]
  }

  #reset(startTime: HrTime): void {
    this.#startTime = startTime
    this.#counts = this.#zeros()
    this.#sum = 0
    this.#min = Number.POSITIVE_INFINITY
    this.#max = Number.NEGATIVE_INFINITY
  }

  #zeros(): number[] {
    return Array.from({ length: this.#boundaries.length + 1 }, () => 0)
  }
}

/** The wall clock's time as the SDK has it: seconds and nanoseconds. */
function now(): HrTime {
  const ms = currentDate().getTime()
  return [Math.trunc(ms / 1000), (ms % 1000) * 1_000_000]
}
