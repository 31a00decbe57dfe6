/** Calls of all four kinds over real connections, with the grpc-js that an app has, and its servers as processes. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { consistentHash } from 'onehop'
import { expect, onTestFinished, test, vi } from 'vitest'
import { patientClientOf as clientOf } from '../patient-client.ts'
import { eventsOf } from '../../support/events.ts'
import { resources } from '../../support/resources.ts'
import { eventually } from '../../support/until.ts'
import { GrpcFleet, type GrpcTask } from './fleet.ts'
import { connect, get, lateCredentials, ordersOver, upstreams } from './orders.ts'
import { grpc, type Order } from './packages/load.ts'

const { keep } = resources()
const shared = GrpcFleet.share(3)

test('unary calls are spread over all tasks, one connection for each, under the caller’s authority', async () => {
  const fleet = shared.of(3)
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client)
  await connect(orders, client)
  const answers = await Promise.all(Array.from({ length: 30 }, (_value, index) => get(orders, String(index))))
  expect(answers.map(({ id }) => id)).toEqual(answers.map((_answer, index) => String(index)))
  for (const label of fleet.labels)
    expect(answers.filter(({ task }) => task === label).length).toBeGreaterThanOrEqual(8)
  for (const task of fleet.tasks) expect((await task.stats()).host).toBe('orders.shop.local')
  expect(upstreams(client, ({ state, pending, failures }) => [state, pending, failures])).toEqual(
    Object.fromEntries(fleet.labels.map((label) => [label, ['available', 0, 0]])),
  )
  expect(client.inspect().callsUnderWay).toBe(0)
})

test('a call under fake timers is answered', async () => {
  const client = keep(clientOf(shared.of(2).labels))
  const orders = ordersOver(client)
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  expect((await get(orders)).id).toBe('42')
})

test('server, client and bidirectional streams', async () => {
  const fleet = shared.of(2)
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client)
  const watched: Order[] = []
  for await (const order of orders.Watch({ id: 'w' })) watched.push(order as Order)
  expect(watched.map(({ id }) => id)).toEqual(['w', 'w', 'w'])

  const added = await new Promise<Order>((resolve, reject) => {
    const call = orders.Add((error, order) => (error === null ? resolve(order) : reject(error)))
    for (const id of ['a', 'b', 'c']) call.write({ id })
    call.end()
  })
  expect(added.id).toBe('c')

  const call = orders.Ask()
  const answers: string[] = []
  call.write({ id: '1' })
  for await (const order of call as AsyncIterable<Order>) {
    answers.push(order.id)
    if (answers.length < 3) call.write({ id: String(answers.length + 1) })
    else call.end()
  }
  expect(answers).toEqual(['1', '2', '3'])
  expect(upstreams(client, ({ pending, failures }) => [pending, failures])).toEqual(
    Object.fromEntries(fleet.labels.map((label) => [label, [0, 0]])),
  )
})

test('an open stream is pending, and its task does not look slow or silent', async () => {
  const fleet = shared.of(2)
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client)
  const begun = performance.now()
  await connect(orders, client)
  const streams = Array.from({ length: 4 }, () => orders.Watch({ id: 'open' }))
  for (const stream of streams) stream.on('error', () => undefined)
  await Promise.all(streams.map((stream) => once(stream, 'metadata')))
  // No latency is longer than all calls together took until their headers, and the streams are open for longer than that.
  const headersMs = performance.now() - begun
  await delay(2 * headersMs + 100)
  expect(Object.values(upstreams(client, ({ pending }) => pending))).toEqual([2, 2])
  for (const latencyMs of Object.values(upstreams(client, ({ latencyMs: ms }) => ms)))
    expect(latencyMs ?? 0).toBeLessThanOrEqual(headersMs)
  expect(client.inspect().callsUnderWay).toBe(4)
  for (const stream of streams) stream.cancel()
  await eventually(
    () => client.inspect().callsUnderWay,
    (count) => count === 0,
  )
  expect(Object.values(upstreams(client, ({ failures }) => failures))).toEqual([0, 0])
})

test('a stream that breaks after its headers counts against its task', async () => {
  const fleet = await GrpcFleet.start(1)
  const [task] = fleet.tasks
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client)
  await task?.behave({ code: grpc.status['UNAVAILABLE'] ?? 0, late: true })
  const stream = orders.Watch({ id: 'w' })
  const [error] = (await once(stream, 'error')) as [{ code: number }]
  expect(error.code).toBe(grpc.status['UNAVAILABLE'])
  expect(upstreams(client, ({ failures }) => failures)).toEqual({ [task?.label ?? '']: 1 })

  await task?.behave({})
  const open = orders.Watch({ id: 'open' })
  await once(open, 'metadata')
  const broken = once(open, 'error') as Promise<[{ code: number }]>
  await task?.kill()
  expect((await broken)[0].code).toBe(grpc.status['UNAVAILABLE'])
  await eventually(
    () => upstreams(client, ({ failures }) => failures)[task?.label ?? ''],
    (failures) => (failures ?? 0) >= 2,
  )
})

test.each([
  ['NOT_FOUND', 0],
  ['INVALID_ARGUMENT', 0],
  ['RESOURCE_EXHAUSTED', 1],
  ['INTERNAL', 1],
  ['UNAVAILABLE', 1],
])('%s of a task counts as %i failures', async (name, expected) => {
  const fleet = shared.of(1)
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client)
  const code = grpc.status[name] ?? 0
  await fleet.tasks[0]?.behave({ code })
  await expect(get(orders)).rejects.toMatchObject({ code, details: `as it was asked to: ${code}` })
  expect(Object.values(upstreams(client, ({ failures }) => failures))).toEqual([expected])
})

test('a task that fails much more than its peers is ejected, and others take its calls', async () => {
  const fleet = shared.of(3)
  const client = keep(clientOf(fleet.labels))
  const ejected = eventsOf('onehop:upstream.ejected')
  const orders = ordersOver(client)
  const [bad] = fleet.tasks
  await bad?.behave({ code: grpc.status['INTERNAL'] ?? 0 })
  let failed = 0
  for (let count = 0; count < 90; count++)
    await get(orders).catch(() => {
      failed++
    })
  expect(ejected).toMatchObject([{ upstream: bad?.label, cause: 'fails' }])
  expect(failed).toBeLessThan(25)
  expect(upstreams(client, ({ state }) => state)[bad?.label ?? '']).toBe('ejected')
})

test('a deadline that passes counts as a timeout of the task, and a cancelled call does not', async () => {
  const fleet = shared.of(1)
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client)
  await get(orders)
  const [task] = fleet.tasks as [GrpcTask]
  await task.behave({ holds: true })
  // Long enough for the call to be sent before, by a busy process, too.
  await expect(get(orders, '1', { deadline: Date.now() + 1_000 })).rejects.toMatchObject({
    code: grpc.status['DEADLINE_EXCEEDED'],
  })
  expect(Object.values(upstreams(client, ({ failures }) => failures))).toEqual([1])
  await task.behave({})
  await task.behave({ holds: true })
  const call = orders.Get({ id: '2' }, () => undefined)
  await task.hasHeld(1)
  expect(client.inspect().callsUnderWay).toBe(1)
  call.cancel()
  await eventually(
    () => client.inspect().callsUnderWay,
    (count) => count === 0,
  )
  expect(Object.values(upstreams(client, ({ failures, pending }) => [failures, pending]))).toEqual([[1, 0]])
})

test('a deadline that had passed before the call was sent says nothing about the task', async () => {
  const fleet = shared.of(1)
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client)
  await get(orders)
  for (const deadline of [Date.now() - 1_000, Date.now()])
    await expect(get(orders, '1', { deadline })).rejects.toMatchObject({
      code: grpc.status['DEADLINE_EXCEEDED'],
    })
  await eventually(
    () => client.inspect().callsUnderWay,
    (count) => count === 0,
  )
  expect(Object.values(upstreams(client, ({ failures }) => failures))).toEqual([0])
})

const RETRIES = {
  methodConfig: [
    {
      name: [{ service: 'shop.Orders' }],
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: '0.01s',
        maxBackoff: '0.1s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
}

test('retries of gRPC’s service config go to another task each time', async () => {
  const fleet = shared.of(3)
  const client = keep(clientOf(fleet.labels, { outlier: false }))
  const orders = ordersOver(client, { 'grpc.service_config': JSON.stringify(RETRIES) })
  await connect(orders, client)
  const [first, second] = fleet.tasks
  for (const task of [first, second]) await task?.behave({ code: grpc.status['UNAVAILABLE'] ?? 0 })
  for (let count = 0; count < 9; count++) expect((await get(orders)).task).toBe(fleet.labels[2])
})

test('hedges of gRPC’s service config go to another task', async () => {
  const fleet = shared.of(2)
  const client = keep(clientOf(fleet.labels))
  const hedgingPolicy = { maxAttempts: 2, hedgingDelay: '0.03s' }
  const orders = ordersOver(client, {
    'grpc.service_config': JSON.stringify({ methodConfig: [{ name: [{}], hedgingPolicy }] }),
  })
  await connect(orders, client)
  const [slow, fast] = fleet.tasks
  await slow?.behave({ holds: true })
  for (let count = 0; count < 4; count++) expect((await get(orders)).task).toBe(fast?.label)
  await eventually(
    () => client.inspect().callsUnderWay,
    (count) => count === 0,
  )
})

test('a keyed balancer finds its header in the metadata', async () => {
  const fleet = shared.of(3)
  const client = keep(clientOf(fleet.labels, { balancer: consistentHash({ header: 'x-customer' }) }))
  const orders = ordersOver(client)
  const by = async (customer: string): Promise<string> => {
    const metadata = new grpc.Metadata()
    metadata.set('x-customer', customer)
    return new Promise((resolve, reject) => {
      orders.Get({ id: '1' }, metadata, {}, (error, order) => {
        if (error === null) resolve(order.task)
        else reject(error)
      })
    })
  }
  await connect(orders, client)
  const tasks = new Set<string>()
  for (const customer of ['ada', 'bob', 'cyd', 'dee', 'eve', 'fay']) {
    const first = await by(customer)
    tasks.add(first)
    for (let count = 0; count < 3; count++) expect(await by(customer)).toBe(first)
  }
  expect(tasks.size).toBeGreaterThan(1)
})

test('maxPending holds, and what exceeds it fails at once', async () => {
  const fleet = shared.of(1)
  const client = keep(clientOf(fleet.labels, { maxPending: { perTask: 2, perOrigin: 100 } }))
  const orders = ordersOver(client)
  await get(orders)
  const [task] = fleet.tasks as [GrpcTask]
  await task.behave({ holds: true })
  const calls = Promise.allSettled([get(orders), get(orders), get(orders)])
  await task.hasHeld(2)
  await task.behave({})
  const results = await calls
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
  expect(results[2]).toMatchObject({
    reason: {
      code: grpc.status['UNAVAILABLE'],
      details: expect.stringContaining('[ONEHOP_OVERLOADED]') as string,
    },
  })
})

test('credentials of a call that take time hold its place, and give it back if the call ends meanwhile', async () => {
  const fleet = shared.of(1)
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client)
  await get(orders)
  const late = lateCredentials()
  const slow = get(orders, '1', { credentials: late.credentials })
  await late.asked
  expect(client.inspect().callsUnderWay).toBe(1)
  late.give()
  await slow
  expect(client.inspect().callsUnderWay).toBe(0)
  // It ends while it waits for them: grpc-js reports nothing.
  const { credentials, asked, give } = lateCredentials()
  const call = get(orders, '2', { credentials, deadline: Date.now() + 500 }).catch((error: unknown) => error)
  await asked
  expect(await call).toMatchObject({ code: 4 })
  give()
  orders.close()
  await eventually(
    () => client.inspect().callsUnderWay,
    (count) => count === 0,
  )
})

test('a balancer of the user’s that throws fails the call, and nothing else', async () => {
  const fleet = shared.of(1)
  let isBroken = false
  const client = keep(
    clientOf(fleet.labels, {
      balancer: {
        pick(candidates) {
          if (isBroken) throw new Error('out of order')
          return candidates[0]
        },
      },
    }),
  )
  const orders = ordersOver(client)
  await get(orders)
  isBroken = true
  await expect(get(orders)).rejects.toMatchObject({
    code: grpc.status['INTERNAL'],
    details: 'out of order',
  })
  isBroken = false
  await get(orders)
})
