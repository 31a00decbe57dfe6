/**
 * What the tests use of OpenTelemetry's SDK, exporters and instrumentations. They are installed only for these tests, so
 * that types know none of them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ContextManager, MeterProvider, TextMapPropagator, TracerProvider } from '@opentelemetry/api'

export interface DataPoint {
  readonly attributes: Readonly<Record<string, string | number>>
  readonly value:
    | number
    | {
        readonly count: number
        readonly sum: number
        readonly buckets: { readonly boundaries: readonly number[]; readonly counts: readonly number[] }
      }
}

export interface MetricData {
  readonly descriptor: { readonly name: string; readonly unit: string; readonly type: string }
  readonly dataPoints: readonly DataPoint[]
}

export interface ResourceMetrics {
  readonly scopeMetrics: readonly { readonly metrics: readonly MetricData[] }[]
}

/** What a reader collects beside the metrics of its provider. */
export interface MetricReaderOptions {
  readonly metricProducers?: readonly { collect(): Promise<object> }[]
}

/** A reader that is asked by the test. */
export interface MetricReader {
  collect(): Promise<{ readonly resourceMetrics: ResourceMetrics; readonly errors: readonly unknown[] }>
  shutdown(): Promise<void>
}

export interface PrometheusExporter extends MetricReader {
  /** Answers a scrape. */
  getMetricsRequestHandler(request: IncomingMessage, response: ServerResponse): void
}

export interface Span {
  readonly name: string
  readonly kind: number
  readonly attributes: Readonly<Record<string, string | number>>
  readonly parentSpanContext?: { readonly spanId: string }
  spanContext(): { readonly traceId: string; readonly spanId: string }
}

export interface Instrumentation {
  setTracerProvider(provider: TracerProvider): void
  setMeterProvider(provider: MeterProvider): void
  enable(): void
  disable(): void
}

interface Sdk {
  readonly MeterProvider: new (options: {
    readonly readers: readonly MetricReader[]
  }) => MeterProvider & { shutdown(): Promise<void> }
  readonly MetricReader: new (options?: MetricReaderOptions) => MetricReader
  readonly PrometheusExporter: new (
    options: MetricReaderOptions & { readonly preventServerStart: boolean },
  ) => PrometheusExporter
  readonly TracerProvider: new (options: { readonly spanProcessors: readonly object[] }) => TracerProvider
  readonly SimpleSpanProcessor: new (...parameters: readonly unknown[]) => object
  readonly InMemorySpanExporter: new () => { getFinishedSpans(): readonly Span[] }
  readonly AsyncLocalStorageContextManager: new () => ContextManager
  readonly W3CTraceContextPropagator: new () => TextMapPropagator
  readonly UndiciInstrumentation: new (config: object) => Instrumentation
  readonly HttpInstrumentation: new (config: object) => Instrumentation
}

const NAMES = [
  'sdk-metrics',
  'sdk-trace',
  'exporter-prometheus',
  'context-async-hooks',
  'core',
  'instrumentation-undici',
  'instrumentation-http',
]

export async function loadSdk(): Promise<Sdk> {
  const modules = await Promise.all(
    NAMES.map(async (name) => (await import(`@opentelemetry/${name}`)) as object),
  )
  return Object.assign({}, ...modules) as Sdk
}
