/** `histogramProducer()` beside the SDK's own histograms, for the same calls. */
import { diag, DiagLogLevel } from '@opentelemetry/api'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { taskEndpoint, type Client } from 'onehop'
import { histogramProducer, observe, type HistogramProducer, type ObserveOptions } from 'onehop/otel'
import { expect, onTestFinished, test, vi } from 'vitest'
import { OwnHistograms } from '../../../src/otel/histogram-producer.ts'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress, type TestServer } from '../../support/servers.ts'
import { loadSdk, type MetricData, type MetricReaderOptions } from './packages/load.ts'
import { Collected } from './sdk.ts'

const { keep, servers } = resources()

/** What Prometheus's exporter answers to a scrape. */
async function scrapes(
  client: Client,
  options: MetricReaderOptions & ObserveOptions = {},
): Promise<() => Promise<readonly string[]>> {
  const { metricProducers = [], ...observed } = options
  const { MeterProvider, PrometheusExporter } = await loadSdk()
  const exporter = new PrometheusExporter({ preventServerStart: true, metricProducers })
  const meterProvider = new MeterProvider({ readers: [exporter] })
  const observation = observe(client, { meterProvider, ...observed })
  onTestFinished(async () => {
    observation[Symbol.dispose]()
    await meterProvider.shutdown()
  })
  return () =>
    new Promise((resolve) => {
      const response = { setHeader: () => undefined, end: (text: string) => resolve(text.split('\n')) }
      exporter.getMetricsRequestHandler({} as IncomingMessage, response as unknown as ServerResponse)
    })
}

async function collected(producer: HistogramProducer): Promise<Collected> {
  const { resourceMetrics, errors } = await producer.collect()
  expect(errors).toEqual([])
  return new Collected(
    resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics) as unknown as MetricData[],
  )
}

async function call(client: Client, options: Parameters<Client['request']>[1] = {}): Promise<void> {
  const { body } = await client.request(`${ORIGIN}/v1/orders`, options)
  await body.text()
}

test('a scrape shows the same histograms as with those of the SDK, to the last digit', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const refusing = await refusingAddress()
  const [address = '', port = ''] = refusing.split(':')
  const client = keep(
    clientOf([
      taskEndpoint('127.0.1.1', { port: task.port, zone: 'eu-west-1a' }),
      taskEndpoint(address, { port: Number(port) }),
    ]),
  )
  const histograms = histogramProducer()
  const options = { perUpstream: true, httpMetrics: true }
  const sdk = await scrapes(client, options)
  const own = await scrapes(client, { ...options, metricProducers: [histograms], histograms })
  for (let count = 0; count < 20; count++) await call(client)
  await call(client, { method: 'PUT', body: 'x' })
  task.answer = (_request, response) => void response.writeHead(404).end()
  await call(client, { method: 'PURGE' as 'GET' })
  const aborted = AbortSignal.abort()
  await expect(call(client, { signal: aborted })).rejects.toThrow()
  await expect(call(client, { signal: AbortSignal.abort(new Error('own')) })).rejects.toThrow()

  const histogramsOf = (lines: readonly string[]): readonly string[] =>
    lines
      .filter((line) => /^(# \w+ )?(onehop_(call|attempt)|http_client)_\w*(duration|wait)/.test(line))
      .toSorted()
  const expected = histogramsOf(await sdk())
  expect(expected.filter((line) => line.includes('_count{')).length).toBeGreaterThan(8)
  expect(histogramsOf(await own())).toEqual(expected)
})

test('what is not a histogram stays with the SDK, and nothing is there twice', async () => {
  const client = keep(clientOf(await servers(1)))
  const histograms = histogramProducer()
  const scrape = await scrapes(client, { metricProducers: [histograms], histograms })
  await call(client)
  const types = (await scrape()).filter((line) => line.startsWith('# TYPE'))
  expect(new Set(types).size).toBe(types.length)
  expect(types).toContain('# TYPE onehop_call_duration histogram')
  expect(types).toContain('# TYPE onehop_discovery_lookups_total counter')
})

test('with delta, each collection has what came since the last', async () => {
  const client = keep(clientOf(await servers(1)))
  const delta = histogramProducer({ temporality: 'delta' })
  await scrapes(client, { histograms: delta })
  expect((await collected(delta)).metrics.size).toBe(0)
  await call(client)
  await call(client)
  const first = (await collected(delta)).metrics.get('onehop.call.duration')
  expect(first).toMatchObject({ aggregationTemporality: 0, dataPoints: [{ value: { count: 2 } }] })
  await call(client)
  const second = await collected(delta)
  expect(second.values('onehop.call.duration')).toEqual({ 'GET 200': 1 })
  const before = first?.dataPoints[0] as { readonly endTime?: unknown } | undefined
  expect(second.points('onehop.call.duration')[0]).toMatchObject({ startTime: before?.endTime })
  expect((await collected(delta)).metrics.size).toBe(0)
})

test('what is exported later does not change with the calls since', async () => {
  const client = keep(clientOf(await servers(1)))
  const histograms = histogramProducer()
  await scrapes(client, { histograms })
  await call(client)
  const before = await collected(histograms)
  await call(client)
  expect(before.values('onehop.call.duration')).toEqual({ 'GET 200': 1 })
  expect((await collected(histograms)).values('onehop.call.duration')).toEqual({ 'GET 200': 2 })
})

test('beyond 2,000 sets of attributes, measurements count in one series, as in the SDK', async () => {
  const histograms = new OwnHistograms(false)
  for (let task = 0; task < 2_500; task++) histograms.series('attemptDuration', { task }).record(0.001)
  const { resourceMetrics } = await histograms.collect()
  const points = resourceMetrics.scopeMetrics[0]?.metrics[0]?.dataPoints ?? []
  expect(points).toHaveLength(2_000)
  const overflow = points.find(({ attributes }) => attributes['otel.metric.overflow'] === true)
  expect(overflow?.value.count).toBe(501)
})

test.each([
  ['that no reader asks for makes one warning', false, 1],
  ['that a reader asks for makes none', true, 0],
])('a producer %s', async (_what, isWired, warnings) => {
  const warn = vi.fn<(message: string) => void>()
  const ignored = (): void => undefined
  diag.setLogger({ warn, error: ignored, info: ignored, debug: ignored, verbose: ignored }, DiagLogLevel.WARN)
  onTestFinished(() => diag.disable())
  const client = keep(clientOf(await servers(1)))
  const histograms = histogramProducer()
  const scrape = await scrapes(client, { histograms, metricProducers: isWired ? [histograms] : [] })
  await call(client)
  for (let count = 0; count < 4; count++) await scrape()
  const about = warn.mock.calls.filter(([message]) => message.includes('histogramProducer()'))
  expect(about).toHaveLength(warnings)
})

test('one provider takes one producer, until nothing is observed with it any more', async () => {
  const client = keep(clientOf([]))
  const { MeterProvider } = await loadSdk()
  const meterProvider = new MeterProvider({ readers: [] })
  const first = observe(client, { meterProvider, histograms: histogramProducer() })
  expect(() => observe(client, { meterProvider })).toThrow('observe.histograms')
  first[Symbol.dispose]()
  observe(client, { meterProvider, histograms: histogramProducer() })[Symbol.dispose]()
})

test.each([
  [() => histogramProducer({ temporality: 'lowmemory' as never }), 'histogramProducer.temporality'],
  [() => histogramProducer({ delta: true } as never), 'histogramProducer.delta'],
  [() => observe(clientOf([]), { histograms: { collect: async () => ({}) } as never }), 'observe.histograms'],
])('a wrong argument is refused: %s', (run, message) => {
  expect(run).toThrow(message)
})
