/** One side of the comparison, in a process of its own: a client with or without `observe`. Each message asks for one slice. */
import { createNoopMeter, type Meter, type MeterProvider } from '@opentelemetry/api'
import { createClient, staticResolver, type Client } from 'onehop'
import { histogramProducer, observe } from 'onehop/otel'
import { loadSdk } from '../../test/doors/otel/packages/load.ts'
import { ADDRESSES } from '../overhead/tasks.ts'
import { answerLoads } from '../sides/answer-loads.ts'

/**
 * `off`: no metrics. `on`: `observe`. `producer`: the same with a `histogramProducer`. `own`: with histograms that record
 * nothing: without the SDK's part. `by hand`: two histograms of the SDK, recorded by the caller. `undici`: the metric of
 * OpenTelemetry's own instrumentation.
 */
export type Kind = 'off' | 'on' | 'producer' | 'own' | 'by hand' | 'undici'

const HOST = 'orders.shop.local'

if (import.meta.main) {
  const [kind, port] = process.argv.slice(2) as [Kind, string]
  const discovery = staticResolver({ [HOST]: ADDRESSES })
  const client = createClient({ services: { [HOST]: { port: Number(port) } }, discovery })
  const record = kind === 'off' ? undefined : await startMetrics(kind, client)
  const options = { origin: `http://${HOST}`, path: '/v1/orders/42', method: 'GET' } as const
  const send = async (): Promise<void> => {
    const startedAt = record === undefined ? 0 : performance.now()
    const { statusCode, body } = await client.dispatcher.request(options)
    if (statusCode !== 200) throw new Error(`status ${statusCode}`)
    await body.dump()
    record?.((performance.now() - startedAt) / 1000)
  }
  answerLoads(send)
}

/**
 * A provider whose reader collects every second, ten times as often as exporters do by default at most.
 * @returns for `by hand`: what the caller records, in seconds
 */
async function startMetrics(kind: Kind, client: Client): Promise<((seconds: number) => void) | undefined> {
  const sdk = await loadSdk()
  class Reader extends sdk.MetricReader {
    async onForceFlush(): Promise<void> {}
    async onShutdown(): Promise<void> {}
  }
  const histograms = kind === 'producer' ? histogramProducer() : undefined
  const reader = new Reader({ metricProducers: histograms === undefined ? [] : [histograms] })
  setInterval(() => void reader.collect(), 1_000)
  const meterProvider = new sdk.MeterProvider({ readers: [reader] })
  if (kind === 'on' || kind === 'producer') observe(client, { meterProvider, histograms })
  if (kind === 'own') observe(client, { meterProvider: withoutHistograms(meterProvider) })
  if (kind === 'undici') {
    const instrumentation = new sdk.UndiciInstrumentation({})
    instrumentation.setMeterProvider(meterProvider)
    instrumentation.enable()
  }
  if (kind !== 'by hand') return undefined
  const meter = meterProvider.getMeter('by hand')
  const calls = meter.createHistogram('calls')
  const attempts = meter.createHistogram('attempts')
  return (seconds) => {
    const service = { 'server.address': HOST }
    calls.record(seconds, { ...service, 'http.request.method': 'GET', 'http.response.status_code': 200 })
    attempts.record(seconds, { ...service, tier: 'task', outcome: 'response' })
  }
}

function withoutHistograms(provider: MeterProvider): MeterProvider {
  const histogram = createNoopMeter().createHistogram('none')
  const meter = Object.create(provider.getMeter('onehop'), {
    createHistogram: { value: () => histogram },
  }) as Meter
  return { getMeter: () => meter }
}
