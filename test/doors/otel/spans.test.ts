/**
 * Spans of OpenTelemetry's own instrumentations around calls through onehop: one for each attempt, all in the trace of
 * the caller, and `http.request.resend_count` by `attemptAttributes()`.
 */
import { context, propagation, trace, type TracerProvider } from '@opentelemetry/api'
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tracing } from 'onehop'
import { attemptAttributes, type AttemptAttributes } from 'onehop/otel'
import { expect, onTestFinished, test } from 'vitest'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { resources } from '../../support/resources.ts'
import { eventsOf } from '../../support/events.ts'
import { refusingAddress } from '../../support/servers.ts'
import { loadSdk, type Span } from './packages/load.ts'

const { keep, servers } = resources()

interface Traced {
  readonly attempts: AttemptAttributes
  readonly provider: TracerProvider
  /** Finished spans of instrumentations, in the order of their ends. */
  readonly spans: () => readonly Span[]
}

/** Everything that an application sets up, for the time of one test. */
async function startTracing(): Promise<Traced> {
  const sdk = await loadSdk()
  const exporter = new sdk.InMemorySpanExporter()
  const provider = new sdk.TracerProvider({
    spanProcessors: [new sdk.SimpleSpanProcessor({ exporter })],
  })
  context.setGlobalContextManager(new sdk.AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new sdk.W3CTraceContextPropagator())
  const attempts = attemptAttributes()
  const instrumentations = [
    new sdk.UndiciInstrumentation({ startSpanHook: attempts }),
    new sdk.HttpInstrumentation({ startOutgoingSpanHook: attempts }),
  ]
  for (const instrumentation of instrumentations) {
    instrumentation.setTracerProvider(provider)
    instrumentation.enable()
  }
  onTestFinished(() => {
    for (const instrumentation of instrumentations) instrumentation.disable()
    attempts[Symbol.dispose]()
    context.disable()
    propagation.disable()
  })
  return { attempts, provider, spans: () => exporter.getFinishedSpans().filter(({ kind }) => kind === 2) }
}

/** Runs within a span of the caller. */
async function within<Result>(provider: TracerProvider, run: () => Promise<Result>): Promise<string> {
  const span = provider.getTracer('caller').startSpan('checkout')
  await context.with(trace.setSpan(context.active(), span), run)
  span.end()
  return span.spanContext().traceId
}

function resends(spans: readonly Span[]): readonly (string | number | undefined)[] {
  return spans.map(({ attributes }) => attributes['http.request.resend_count'])
}

/** The trace id of `traceparent`, as a server got it. */
function traceIdOf({ headers }: { readonly headers: Readonly<Record<string, unknown>> }): string | undefined {
  return String(headers['traceparent']).split('-')[1]
}

test('retries are spans of the same trace, with the number of resends and the name of the service', async () => {
  const { provider, spans } = await startTracing()
  const refusing = await refusingAddress()
  const [bad, good] = await servers(2)
  if (bad !== undefined) bad.answer = (_request, response) => void response.writeHead(503).end()
  const client = keep(clientOf([refusing, bad?.label ?? '', good?.label ?? '']))
  const traceId = await within(provider, async () => {
    const { statusCode, body } = await client.request(`${ORIGIN}/v1/orders`)
    await body.text()
    expect(statusCode).toBe(200)
  })
  expect(resends(spans())).toEqual([undefined, 1, 2])
  expect(spans().map((span) => span.spanContext().traceId)).toEqual([traceId, traceId, traceId])
  const parents = new Set(spans().map(({ parentSpanContext }) => parentSpanContext?.spanId))
  expect(parents.size).toBe(1)
  expect(spans().map(({ attributes }) => attributes['server.address'])).toEqual([
    'orders.shop.local',
    'orders.shop.local',
    'orders.shop.local',
  ])
  expect([bad?.seen[0], good?.seen[0]].map((seen) => seen && traceIdOf(seen))).toEqual([traceId, traceId])
  const sent = good?.seen[0]?.headers['traceparent']
  expect(sent).toContain(spans()[2]?.spanContext().spanId)
})

test('retries of calls on shared connections stay in the traces of their own callers', async () => {
  const { provider, spans } = await startTracing()
  const tasks = await servers(2)
  const client = keep(clientOf(tasks, { pool: { connections: 1 } }))
  // Connections are made in the context of the first call.
  for (let i = 0; i < 2; i++) await (await client.request(ORIGIN)).body.text()
  const [bad] = tasks
  if (bad !== undefined) bad.answer = (_request, response) => void response.writeHead(503).end()
  const before = spans().length
  const traceIds = await Promise.all(
    Array.from({ length: 6 }, () =>
      within(provider, async () => {
        const { body } = await client.request(ORIGIN)
        await body.text()
      }),
    ),
  )
  const made = spans().slice(before)
  const retried = made.filter(({ attributes }) => attributes['http.request.resend_count'] === 1)
  expect(retried.length).toBeGreaterThan(0)
  for (const traceId of traceIds) {
    const own = made.filter((span) => span.spanContext().traceId === traceId)
    expect(new Set(resends(own))).toEqual(new Set(own.length === 2 ? [undefined, 1] : [undefined]))
  }
  expect(made).toHaveLength(6 + retried.length)
})

test('a retry that waits for a connection knows its number when it is sent', async () => {
  const { provider, spans } = await startTracing()
  const [bad, good] = await servers(2)
  if (bad !== undefined) bad.answer = (_request, response) => void response.writeHead(503).end()
  if (good !== undefined) good.answer = (_request, response) => void setTimeout(() => response.end('ok'), 100)
  const client = keep(clientOf([bad?.label ?? '', good?.label ?? ''], { pool: { connections: 1 } }))
  const call = async (): Promise<void> => {
    const { body } = await client.request(ORIGIN)
    await body.text()
  }
  // The first goes to the bad task, the second occupies the good one's connection.
  await Promise.all([within(provider, call), within(provider, call)])
  expect(spans().filter(({ attributes }) => attributes['http.request.resend_count'] === 1)).toHaveLength(1)
  expect(spans()).toHaveLength(3)
})

test('a hedge is a span of the same trace, and counts as a resend', async () => {
  const { provider, spans } = await startTracing()
  const tasks = await servers(2)
  const client = keep(clientOf(tasks, { hedge: { minMs: 1 } }))
  const call = async (): Promise<string> => (await client.request(ORIGIN)).body.text()
  for (let i = 0; i < 120; i++) await call()
  // They answer late, or once both attempts are there: a hedge that is cancelled on its way is seen by no task.
  const waiting: ServerResponse[] = []
  const answer = (): void => {
    for (const response of waiting.splice(0)) response.end('late')
  }
  for (const task of tasks)
    task.answer = (_request, response) => {
      waiting.push(response)
      if (waiting.length === 2) answer()
      else setTimeout(answer, 1_000)
    }
  const hedged = eventsOf('onehop:call.hedged')
  const traceIds: string[] = []
  while (hedged.length === 0) traceIds.push(await within(provider, call))
  const ofLast = (): readonly Span[] =>
    spans().filter((span) => span.spanContext().traceId === traceIds.at(-1))
  await expect.poll(() => ofLast().length).toBe(2)
  expect(new Set(resends(ofLast()))).toEqual(new Set([1, undefined]))
  const sent = tasks.flatMap(({ seen }) => seen.map(traceIdOf))
  expect(sent.filter((traceId) => traceId === traceIds.at(-1))).toHaveLength(2)
})

test('later requests of the caller, and requests past onehop, do not count as resends', async () => {
  const { provider, spans } = await startTracing()
  const refusing = await refusingAddress()
  const [task] = await servers(1)
  const client = keep(clientOf([refusing, task?.label ?? '']))
  const plain = createServer((_request, response) => void response.end())
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void plain.close())
  const url = `http://127.0.0.1:${(plain.address() as AddressInfo).port}/`
  await within(provider, async () => {
    const response = await client.fetch(ORIGIN)
    await response.text()
    await (await client.fetch(url)).text()
    await new Promise((resolve) => request(url, (answer) => answer.resume().once('end', resolve)).end())
  })
  const counts = spans().map(({ attributes }) => attributes['http.request.resend_count'])
  expect(counts.filter((count) => count !== undefined)).toEqual([1])
})

test('disposing takes the store off the channel', async () => {
  const first = attemptAttributes()
  expect(tracing.attempt.hasSubscribers).toBe(true)
  first[Symbol.dispose]()
  expect(tracing.attempt.hasSubscribers).toBe(false)
  expect(first()).toEqual({})
})
