/**
 * The dashboards and alert rules of examples/observability/, checked by promtool, and evaluated by Prometheus over scrapes
 * of real clients with OpenTelemetry's exporter. No expression may name a metric or a label that is not there.
 *
 * OTLP ingestion is not run: Debian's Prometheus has none. Its names are made by relabelling, after the rules of
 * https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/.
 */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { taskEndpoint, type Client } from 'onehop'
import { observe } from 'onehop/otel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ALERTS, alertExpression } from '../../../scripts/observability/alerts.ts'
import { panelExpression, ROWS } from '../../../scripts/observability/dashboard.ts'
import { expressionFor, FLAVOURS, promName } from '../../../scripts/observability/names.ts'
import { METRICS } from '../../../src/otel/metrics.ts'
import { clientOf } from '../../support/clients.ts'
import { Daemon, findProgram } from '../../support/processes/daemon.ts'
import { refusingAddress, startServers } from '../../support/servers.ts'
import { LoopbackServer } from '../../support/loopback-server.ts'
import { loadSdk } from './packages/load.ts'

const PROMETHEUS = { name: 'prometheus', debianPackage: 'prometheus' }
const PROMTOOL = { name: 'promtool', debianPackage: 'prometheus' }
const examples = join(import.meta.dirname, '../../../examples/observability')

const open: AsyncDisposable[] = []
let prometheus: Daemon
const over = new AbortController()

beforeAll(async () => {
  const target = await startApplication()
  prometheus = await Daemon.start({
    program: PROMETHEUS,
    files: () => ({ 'prometheus.yml': configuration(target) }),
    args: (folder, port) => [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    ready: /Server is ready/,
  })
  open.push(prometheus)
})

afterAll(async () => {
  over.abort()
  for (const resource of open.toReversed()) await resource[Symbol.asyncDispose]()
})

/** An application with an exporter, whose clients meet all that the metrics are about. @returns `host:port` of the exporter */
async function startApplication(): Promise<string> {
  const { MeterProvider, PrometheusExporter } = await loadSdk()
  const exporter = new PrometheusExporter({ preventServerStart: true })
  const meterProvider = new MeterProvider({ readers: [exporter] })
  const http = createServer((request, response) => exporter.getMetricsRequestHandler(request, response))
  const server = await new LoopbackServer(http).listen('127.0.0.1')
  open.push({ [Symbol.asyncDispose]: () => meterProvider.shutdown() }, server)
  const watched = (client: Client): Client => {
    const observation = observe(client, { meterProvider })
    open.push(client, { [Symbol.asyncDispose]: async () => observation[Symbol.dispose]() })
    return client
  }
  const tasks = await startServers(3)
  open.push(...tasks)
  const [well, unwell, slow] = tasks
  if (unwell !== undefined) unwell.answer = (_request, response) => void response.writeHead(503).end()
  if (slow !== undefined)
    slow.answer = (_request, response) => void setTimeout(() => response.end('late'), 200)
  const zoned = tasks.map(({ label }, index) => {
    const [address = '', at = ''] = label.split(':')
    return taskEndpoint(address, { port: Number(at), zone: index === 0 ? 'eu-west-1a' : 'eu-west-1b' })
  })
  const fallback = `http://${well?.label}`
  const loads: readonly (readonly [host: string, client: Client])[] = [
    // Retries, ejections, hedges, fallbacks, zones.
    [
      'orders.shop.local',
      watched(clientOf(zoned, { fallback, zone: { own: 'eu-west-1a' }, hedge: { minMs: 1 } })),
    ],
    // Panics and failed calls.
    ['users.shop.local', watched(clientOf([await refusingAddress()]))],
    // Calls over the bulkhead, and over the budget for retries.
    [
      'carts.shop.local',
      watched(
        clientOf([unwell?.label ?? '', slow?.label ?? ''], {
          maxPending: { perOrigin: 3 },
          retry: { budget: { ratio: 0, minPerSecond: 0 } },
        }),
      ),
    ],
    ['none.shop.local', watched(clientOf(new Error('no answer')))],
  ]
  for (const [host, client] of loads)
    for (let worker = 0; worker < 4; worker++) void callUntilOver(client, `http://${host}/`)
  return server.label
}

async function callUntilOver(client: Client, url: string): Promise<void> {
  while (!over.signal.aborted) {
    // Most of them are meant to fail.
    await client.request(url).then(
      ({ body }) => body.dump(),
      () => undefined,
    )
    await delay(10)
  }
}

function configuration(target: string): string {
  const renamed = Object.values(METRICS).flatMap((metric) => [
    '      - source_labels: [__name__]',
    `        regex: ${promName(metric, 'exporter')}(_bucket|_count|_sum|)`,
    '        target_label: __name__',
    `        replacement: ${promName(metric, 'otlp')}$1`,
  ])
  return [
    'global: { scrape_interval: 1s }',
    `rule_files: ['${examples}/alerts.*.yaml']`,
    'scrape_configs:',
    '  - job_name: exporter',
    `    static_configs: [{ targets: ['${target}'] }]`,
    '  - job_name: otlp',
    `    static_configs: [{ targets: ['${target}'] }]`,
    '    metric_relabel_configs:',
    ...renamed,
    '',
  ].join('\n')
}

interface Answer {
  readonly status: string
  readonly error?: string
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] }
}

/** Values of an expression, those that are a number. */
async function evaluate(expression: string): Promise<readonly number[]> {
  const url = `http://${prometheus.server}/api/v1/query?query=${encodeURIComponent(expression)}`
  const { status, error, data } = (await (await fetch(url)).json()) as Answer
  if (status !== 'success') throw new Error(`${expression}: ${error}`)
  return data.result.map(({ value }) => Number(value[1])).filter((value) => !Number.isNaN(value))
}

const FILES = FLAVOURS.map((flavour) => join(examples, `alerts.${flavour}.yaml`))

test('promtool finds nothing wrong with the alert rules', async () => {
  const { stdout } = await promisify(execFile)(findProgram(PROMTOOL), [
    ...['check', 'rules', '--lint=all', '--lint-fatal'],
    ...FILES,
  ])
  expect(stdout.match(new RegExp(`SUCCESS: ${ALERTS.length} rules found`, 'g'))).toHaveLength(FILES.length)
})

const QUERIES = ROWS.flatMap(({ panels }) =>
  panels.flatMap(({ title, queries }) => Object.values(queries).map((query) => [title, query] as const)),
)

describe.each(FLAVOURS)('with the names of %s', (flavour) => {
  test.each(QUERIES)('the panel %s shows something: %s', async (_title, query) => {
    const expression = panelExpression(query, flavour)
      .replaceAll('$service', '.*')
      .replaceAll('$__rate_interval', '30s')
    expect(expression).not.toContain('$')
    await expect.poll(() => evaluate(expression), { interval: 500 }).not.toEqual([])
  })

  test.each(ALERTS)('the alert $name has a value to compare', async (alert) => {
    // What discovery's alert compares is there only after a first good lookup: see the next test.
    const value = alert.name === 'OnehopDiscoveryFails' ? '<lookups>{result="failure"}' : alert.value
    await expect.poll(() => evaluate(expressionFor(value, flavour)), { interval: 500 }).not.toEqual([])
    await evaluate(alertExpression(alert, flavour))
  })

  test('the alerts fire for what went wrong here', async () => {
    const wrong = ALERTS.filter(({ name }) =>
      [
        'OnehopCallsFail',
        'OnehopNothingAvailable',
        'OnehopTasksEjected',
        'OnehopRetriesDenied',
        'OnehopOverloaded',
      ].includes(name),
    )
    for (const alert of wrong)
      await expect.poll(() => evaluate(alertExpression(alert, flavour)), { interval: 500 }).not.toEqual([])
  })
})
