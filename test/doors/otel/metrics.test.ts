/** `observe()` with OpenTelemetry's SDK, real calls over real sockets. */
import { metrics as metricsApi, diag, DiagLogLevel } from '@opentelemetry/api'
import { channel } from 'node:diagnostics_channel'
import { eventNames, taskEndpoint, tracing, type Client } from 'onehop'
import { observe, type ObserveOptions } from 'onehop/otel'
import { expect, onTestFinished, test, vi } from 'vitest'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { eventsOf } from '../../support/events.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress, type TestServer } from '../../support/servers.ts'
import { startMeter, type Collected } from './sdk.ts'

const { keep, servers } = resources()
const HOST = 'orders.shop.local'

async function observed(
  client: Client,
  options: ObserveOptions = {},
): Promise<{ readonly collect: () => Promise<Collected>; readonly observation: Disposable }> {
  const { meterProvider, collect } = await startMeter()
  const observation = observe(client, { meterProvider, ...options })
  onTestFinished(() => observation[Symbol.dispose]())
  return { collect, observation }
}

async function call(client: Client, options: Parameters<Client['request']>[1] = {}): Promise<number> {
  const { statusCode, body } = await client.request(`${ORIGIN}/v1/orders`, options)
  await body.text()
  return statusCode
}

test('a call and its attempts are measured, by service, method, status, outcome and zone', async () => {
  const tasks = await servers(2)
  const [first, second] = tasks.map(({ label }) => label.split(':')[0] ?? '')
  const endpoints = [
    taskEndpoint(first ?? '', { port: tasks[0]?.port ?? 0, zone: 'eu-west-1a' }),
    taskEndpoint(second ?? '', { port: tasks[0]?.port ?? 0, zone: 'eu-west-1b' }),
  ]
  const client = keep(clientOf(endpoints))
  const { collect } = await observed(client)
  for (let i = 0; i < 4; i++) await call(client)
  await call(client, { method: 'PUT', body: 'x' })
  await call(client, { method: 'PURGE' as 'GET' })
  const collected = await collect()

  expect(collected.values('onehop.call.duration')).toEqual({ 'GET 200': 4, 'PUT 200': 1, '_OTHER 200': 1 })
  expect(collected.values('onehop.attempt.duration')).toEqual({
    'response task eu-west-1a': 3,
    'response task eu-west-1b': 3,
  })
  // The first call waited for discovery.
  expect(collected.values('onehop.attempt.wait')).toEqual({ '': 1 })
  const [point] = collected.points('onehop.call.duration')
  expect(point?.attributes).toEqual({
    'server.address': HOST,
    'http.request.method': 'GET',
    'http.response.status_code': 200,
  })
  expect(point?.value).toMatchObject({
    buckets: { boundaries: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] },
  })
  const sum = typeof point?.value === 'object' ? point.value.sum : Number.NaN
  expect(sum).toBeGreaterThan(0)
  expect(sum).toBeLessThan(30)
  expect(collected.values('onehop.upstream.count')).toEqual({
    'available task eu-west-1a': 1,
    'available task eu-west-1b': 1,
  })
  expect(collected.values('onehop.call.active')).toEqual({ '80': 0 })
  expect(collected.values('onehop.cluster.direct_share')).toEqual({ '': 1 })
  expect(collected.values('onehop.discovery.lookups')).toEqual({ success: 1, failure: 0 })
  expect(Object.keys(collected.values('onehop.discovery.age'))).toEqual(['_OTHER'])
  expect(collected.points('http.client.request.duration')).toEqual([])
})

test('units are those of the design: seconds, and counts in braces', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task as TestServer]))
  const { collect } = await observed(client)
  await call(client)
  const units = [...(await collect()).metrics.values()].map(({ descriptor }) => [
    descriptor.name,
    descriptor.unit,
  ])
  expect(Object.fromEntries(units)).toEqual({
    'onehop.call.duration': 's',
    'onehop.attempt.duration': 's',
    'onehop.attempt.wait': 's',
    'onehop.call.active': '{call}',
    'onehop.call.retries': '{retry}',
    'onehop.call.retries_denied': '{retry}',
    'onehop.call.hedges': '{hedge}',
    'onehop.call.overloads': '{call}',
    'onehop.upstream.count': '{upstream}',
    'onehop.upstream.ejections': '{ejection}',
    'onehop.cluster.panics': '{panic}',
    'onehop.cluster.direct_share': '1',
    'onehop.discovery.lookups': '{lookup}',
    'onehop.discovery.age': 's',
  })
})

test('a refused connection counts as retry and ejection; the task is ejected until it answers', async () => {
  const refusing = await refusingAddress()
  const [task] = await servers(1)
  const client = keep(clientOf([refusing, task?.label ?? '']))
  const { collect } = await observed(client)
  await call(client)
  const collected = await collect()
  expect(collected.counted('onehop.call.retries')).toEqual({ 'connect-error': 1 })
  expect(collected.counted('onehop.upstream.ejections')).toEqual({ refuses: 1 })
  expect(collected.counted('onehop.upstream.count')).toEqual({ 'available task': 1, 'ejected task': 1 })
  expect(collected.values('onehop.attempt.duration')).toEqual({ 'connect-error task': 1, 'response task': 1 })

  client.resolver.answer([task?.label ?? ''])
  await expect
    .poll(async () => {
      await call(client)
      return (await collect()).values('onehop.upstream.count')
    })
    .toEqual({ 'available task': 1, 'ejected task': 0 })
})

test('counters of a service begin with 0, so that the first event is an increase', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task as TestServer], { fallback: 'http://balancer.internal' }))
  const { collect } = await observed(client)
  await call(client)
  const collected = await collect()
  expect(collected.values('onehop.cluster.panics')).toEqual({ '': 0 })
  expect(collected.values('onehop.call.overloads')).toEqual({ '': 0 })
  expect(collected.values('onehop.upstream.ejections')).toEqual({ refuses: 0, fails: 0, drains: 0 })
  expect(collected.values('onehop.call.retries')).toMatchObject({ 'connect-error': 0, timeout: 0 })
  expect(collected.values('onehop.call.fallbacks')).toMatchObject({ 'tasks-ejected': 0, retry: 0 })
})

test('calls that the load balancer gets are counted with the reason', async () => {
  const [balancer] = await servers(1)
  const fallback = `http://${balancer?.label}`
  const none = keep(clientOf([], { fallback }))
  const { collect } = await observed(none)
  await call(none)
  expect((await collect()).counted('onehop.call.fallbacks')).toEqual({ 'no-tasks': 1 })
  expect((await collect()).counted('onehop.upstream.count')).toEqual({ 'available fallback': 1 })

  const failing = keep(clientOf(new Error('no answer'), { fallback }))
  const second = await observed(failing)
  await call(failing)
  expect((await second.collect()).counted('onehop.call.fallbacks')).toEqual({ 'discovery-failed': 1 })
  expect((await second.collect()).values('onehop.discovery.lookups')).toMatchObject({ failure: 1 })

  const refused = keep(clientOf([await refusingAddress()], { fallback }))
  const third = await observed(refused)
  await call(refused)
  await call(refused)
  expect((await third.collect()).counted('onehop.call.fallbacks')).toEqual({ retry: 1, 'tasks-ejected': 1 })

  const full = keep(
    clientOf([(await servers(1, () => undefined))[0] as TestServer], {
      fallback,
      maxPending: { perTask: 1 },
    }),
  )
  const fourth = await observed(full)
  const waiting = call(full)
  await call(full)
  expect((await fourth.collect()).counted('onehop.call.fallbacks')).toEqual({ 'tasks-full': 1 })
  await full.dispatcher.destroy()
  await waiting.catch(() => undefined)
})

test('panics, calls over the bulkhead and retries over the budget are counted', async () => {
  const client = keep(clientOf([await refusingAddress()], { retry: { attempts: 1 } }))
  const { collect } = await observed(client)
  await expect(call(client)).rejects.toThrow('ECONNREFUSED')
  await expect(call(client)).rejects.toThrow('ECONNREFUSED')
  const panicked = await collect()
  expect(panicked.values('onehop.cluster.panics')).toEqual({ '': 1 })
  expect(panicked.values('onehop.call.duration')).toEqual({ 'ONEHOP_ATTEMPTS_EXHAUSTED GET': 2 })

  const tasks = await servers(1, (_request, response) => void response.writeHead(503).end())
  const unwell = keep(clientOf(tasks, { retry: { budget: { ratio: 0, minPerSecond: 0 } } }))
  const second = await observed(unwell)
  expect(await call(unwell)).toBe(503)
  const denied = await second.collect()
  expect(denied.values('onehop.call.retries_denied')).toEqual({ '': 1 })
  expect(denied.values('onehop.call.duration')).toEqual({ '503 GET 503': 1 })

  const silent = await servers(1, () => undefined)
  const bulkhead = keep(clientOf(silent, { maxPending: { perOrigin: 1 } }))
  const third = await observed(bulkhead)
  const abort = new AbortController()
  const pending = call(bulkhead, { signal: abort.signal })
  await expect(call(bulkhead)).rejects.toThrow('ONEHOP_OVERLOADED')
  expect((await third.collect()).values('onehop.call.active')).toEqual({ '80': 1 })
  abort.abort()
  await expect(pending).rejects.toThrow()
  const overloaded = await third.collect()
  expect(overloaded.values('onehop.call.overloads')).toEqual({ '': 1 })
  expect(overloaded.values('onehop.call.duration')).toEqual({
    'AbortError GET': 1,
    'ONEHOP_OVERLOADED GET': 1,
  })
  expect(overloaded.values('onehop.call.active')).toEqual({ '80': 0 })
})

test('an abort reason of any kind makes no series of its own', async () => {
  const silent = await servers(1, () => undefined)
  const client = keep(clientOf(silent))
  const { collect } = await observed(client)
  for (const reason of ['why', null, 7, Object.assign(new Error('x'), { code: 'ORDER_4711' })]) {
    const abort = new AbortController()
    const pending = call(client, { signal: abort.signal })
    setImmediate(() => abort.abort(reason))
    await pending.catch(() => undefined)
  }
  expect((await collect()).values('onehop.call.duration')).toEqual({
    // undici's own, for `null`.
    'UND_ERR_ABORTED GET': 1,
    '_OTHER GET': 3,
  })
})

test('hedges are counted, and the attempt that lost is cancelled', async () => {
  const tasks = await servers(2)
  const client = keep(clientOf(tasks, { hedge: { minMs: 1 } }))
  const { collect } = await observed(client)
  for (let i = 0; i < 120; i++) await call(client)
  const [slow] = tasks
  if (slow !== undefined) slow.answer = (_request, response) => void setTimeout(() => response.end(), 1_000)
  const hedged = eventsOf('onehop:call.hedged')
  // The delay of hedges is computed every 250 ms.
  while (hedged.length === 0) await call(client)
  const collected = await collect()
  expect(collected.counted('onehop.call.hedges')['']).toBeGreaterThan(0)
  expect(collected.values('onehop.attempt.duration')['cancelled task']).toBeGreaterThan(0)
})

test('addresses of tasks come only with perUpstream', async () => {
  const refusing = await refusingAddress()
  const [task] = await servers(1)
  const client = keep(clientOf([refusing, task?.label ?? '']))
  const { collect } = await observed(client, { perUpstream: true })
  await call(client)
  const collected = await collect()
  const port = task?.port
  expect(collected.values('onehop.upstream.count')).toEqual({
    [`127.0.1.1 ${port} available task`]: 1,
    [`127.0.1.200 ${refusing.split(':')[1]} ejected task`]: 1,
  })
  expect(collected.counted('onehop.upstream.ejections')).toEqual({
    [`refuses 127.0.1.200 ${refusing.split(':')[1]}`]: 1,
  })
  expect(
    collected.points('onehop.attempt.duration').map(({ attributes }) => attributes['network.peer.address']),
  ).toEqual(['127.0.1.200', '127.0.1.1'])
})

test('http.client.request.duration comes only with httpMetrics, once for each attempt', async () => {
  const refusing = await refusingAddress()
  const [task] = await servers(1)
  const client = keep(clientOf([refusing, task?.label ?? '']))
  const { collect } = await observed(client, { httpMetrics: true })
  await call(client)
  const points = (await collect()).points('http.client.request.duration')
  expect(points.map(({ attributes }) => attributes)).toEqual([
    { 'server.address': HOST, 'server.port': 80, 'http.request.method': 'GET', 'error.type': 'ECONNREFUSED' },
    {
      'server.address': HOST,
      'server.port': 80,
      'http.request.method': 'GET',
      'http.response.status_code': 200,
    },
  ])
  expect(points[0]?.value).toMatchObject({
    buckets: { boundaries: expect.arrayContaining([0.075, 7.5]) as object },
  })
})

test('each collection asks a client once', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task as TestServer]))
  const inspect = vi.spyOn(client, 'inspect')
  const { collect } = await observed(client)
  await call(client)
  await call(client)
  // The first event of a host.
  expect(inspect).toHaveBeenCalledTimes(1)
  await collect()
  expect(inspect).toHaveBeenCalledTimes(2)
  await collect()
  await call(client)
  expect(inspect).toHaveBeenCalledTimes(3)
})

test('two clients of one provider: each call counts once, and readings of the same service add up', async () => {
  const tasks = await servers(2)
  const one = keep(clientOf(tasks))
  const other = keep(clientOf(tasks))
  const { meterProvider, collect } = await startMeter()
  const first = observe(one, { meterProvider })
  const second = observe(other, { meterProvider })
  for (const client of [one, other, other]) await call(client)
  const both = await collect()
  expect(both.values('onehop.call.duration')).toEqual({ 'GET 200': 3 })
  expect(both.values('onehop.discovery.lookups')).toEqual({ success: 2, failure: 0 })
  expect(both.values('onehop.upstream.count')).toEqual({ 'available task': 2 })
  first[Symbol.dispose]()
  await call(other)
  expect((await collect()).values('onehop.call.duration')).toEqual({ 'GET 200': 4 })
  second[Symbol.dispose]()
  await call(other)
  expect((await collect()).values('onehop.call.duration')).toEqual({ 'GET 200': 4 })
})

test('services that only another client calls are not measured', async () => {
  const tasks = await servers(1)
  const client = keep(clientOf(tasks))
  const stranger = keep(clientOf(tasks))
  const inspect = vi.spyOn(client, 'inspect')
  const { collect } = await observed(client)
  for (let i = 0; i < 20; i++) {
    for (const host of ['users', 'carts'])
      await (await stranger.request(`http://${host}.shop.local/`)).body.text()
  }
  await call(client)
  expect(inspect.mock.calls.length).toBeLessThan(10)
  expect(
    (await collect()).points('onehop.call.duration').map(({ attributes }) => attributes['server.address']),
  ).toEqual([HOST])
})

test('no call is lost between collections, however many there are', async () => {
  const tasks = await servers(2)
  const client = keep(clientOf(tasks))
  const { collect, observation } = await observed(client)
  for (let i = 0; i < 300; i++) await call(client)
  expect((await collect()).values('onehop.call.duration')).toEqual({ 'GET 200': 300 })
  await call(client)
  observation[Symbol.dispose]()
  const collected = await collect()
  expect(collected.values('onehop.call.duration')).toEqual({ 'GET 200': 301 })
  expect(collected.values('onehop.attempt.duration')).toEqual({ 'response task': 301 })
})

test('the last calls of a client that closes count, and its tasks are gone from the gauges', async () => {
  const tasks = await servers(1)
  const [task] = tasks
  const client = keep(clientOf(tasks))
  const { collect } = await observed(client)
  await call(client)
  expect((await collect()).values('onehop.upstream.count')).toEqual({ 'available task': 1 })
  if (task !== undefined) task.answer = (_request, response) => void setTimeout(() => response.end(), 100)
  const last = call(client)
  const closed = client.close()
  await collect()
  await last
  await closed
  const collected = await collect()
  expect(collected.values('onehop.call.duration')).toEqual({ 'GET 200': 2 })
  expect(collected.values('onehop.call.active')).toEqual({ '80': 0 })
  expect(collected.values('onehop.upstream.count')).toEqual({ 'available task': 0 })
})

test('disposing takes off every listener and callback', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task as TestServer]))
  const inspect = vi.spyOn(client, 'inspect')
  const { collect, observation } = await observed(client)
  const listenedTo = (): readonly string[] => eventNames.filter((name) => channel(name).hasSubscribers)
  expect(listenedTo()).not.toEqual([])
  expect(tracing.call.hasSubscribers && tracing.attempt.hasSubscribers).toBe(true)
  await call(client)
  observation[Symbol.dispose]()
  observation[Symbol.dispose]()
  expect(listenedTo()).toEqual([])
  expect(tracing.call.hasSubscribers || tracing.attempt.hasSubscribers).toBe(false)
  inspect.mockClear()
  await collect()
  await call(client)
  expect(inspect).not.toHaveBeenCalled()
})

test('without a meter provider nothing listens, and diag gets a warning', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task as TestServer]))
  const warn = vi.fn()
  const nothing = (): void => undefined
  diag.setLogger({ warn, error: nothing, info: nothing, debug: nothing, verbose: nothing }, DiagLogLevel.WARN)
  onTestFinished(() => diag.disable())
  const observation = observe(client)
  expect(warn.mock.calls[0]?.[0]).toContain('no meter provider is registered')
  expect(tracing.call.hasSubscribers).toBe(false)
  observation[Symbol.dispose]()
})

test('the global meter provider is the default', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task as TestServer]))
  const { meterProvider, collect } = await startMeter()
  metricsApi.setGlobalMeterProvider(meterProvider)
  onTestFinished(() => metricsApi.disable())
  const observation = observe(client)
  await call(client)
  expect((await collect()).values('onehop.call.duration')).toEqual({ 'GET 200': 1 })
  observation[Symbol.dispose]()
})

test.each([
  ['a client', () => observe({} as Client), 'client.inspect: got undefined'],
  [
    'a provider',
    () => observe(clientOf([]), { meterProvider: {} as never }),
    'observe.meterProvider.getMeter',
  ],
  ['a flag', () => observe(clientOf([]), { perUpstream: 1 as never }), 'observe.perUpstream: got 1'],
  ['a name', () => observe(clientOf([]), { perUpstreams: true } as never), 'did you mean perUpstream?'],
])('a wrong value for %s is refused', (_what, run, message) => {
  expect(run).toThrow(message)
})
