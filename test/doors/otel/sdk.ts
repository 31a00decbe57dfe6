import type { MeterProvider } from '@opentelemetry/api'
import { onTestFinished } from 'vitest'
import { loadSdk, type DataPoint, type MetricData } from './packages/load.ts'

export type Sdk = Awaited<ReturnType<typeof loadSdk>>

/** What one collection read: the metrics by name, each a list of points. */
export class Collected {
  readonly metrics: ReadonlyMap<string, MetricData>

  constructor(metrics: readonly MetricData[]) {
    this.metrics = new Map(metrics.map((metric) => [metric.descriptor.name, metric]))
  }

  points(name: string): readonly DataPoint[] {
    return this.metrics.get(name)?.dataPoints ?? []
  }

  /** Values by what their attributes have beside the host, e.g. `{ 'ejected task': 1 }`; counts of histograms. */
  values(name: string): Readonly<Record<string, number>> {
    return Object.fromEntries(
      this.points(name).map(({ attributes, value }) => {
        const { 'server.address': _host, ...rest } = attributes
        const key = Object.keys(rest)
          .toSorted()
          .map((attribute) => rest[attribute])
          .join(' ')
        return [key, typeof value === 'number' ? value : value.count]
      }),
    )
  }

  /** As `values`, without those that are 0. */
  counted(name: string): Readonly<Record<string, number>> {
    return Object.fromEntries(Object.entries(this.values(name)).filter(([, value]) => value !== 0))
  }
}

/** A meter provider of the real SDK, and what collects its metrics. */
export async function startMeter(): Promise<{
  readonly sdk: Sdk
  readonly meterProvider: MeterProvider
  readonly collect: () => Promise<Collected>
}> {
  const sdk = await loadSdk()
  class TestReader extends sdk.MetricReader {
    async onForceFlush(): Promise<void> {}
    async onShutdown(): Promise<void> {}
  }
  const reader = new TestReader()
  const meterProvider = new sdk.MeterProvider({ readers: [reader] })
  onTestFinished(() => meterProvider.shutdown())
  const collect = async (): Promise<Collected> => {
    const { resourceMetrics, errors } = await reader.collect()
    if (errors.length > 0) throw new AggregateError(errors, 'the collection failed')
    return new Collected(resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics))
  }
  return { sdk, meterProvider, collect }
}
