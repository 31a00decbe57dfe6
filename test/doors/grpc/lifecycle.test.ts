/** What channels and clients leave behind: nothing. */
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'onehop'
import { beforeEach, expect, test } from 'vitest'
import { patientClientOf as clientOf } from '../patient-client.ts'
import { eventsOf } from '../../support/events.ts'
import { resources } from '../../support/resources.ts'
import { eventually } from '../../support/until.ts'
import { outputOf } from '../output-of.ts'
import { GrpcFleet, type GrpcTask } from './fleet.ts'
import { get, lateCredentials, ordersAt, ordersOver, upstreams } from './orders.ts'
import { grpc } from './packages/load.ts'

const { keep } = resources()
const shared = GrpcFleet.share(3)

/** All that this process has connected in this test, idle ones included. */
const connected: Socket[] = []
beforeEach(() => void connected.splice(0))
subscribe('net.client.socket', (message) => connected.push((message as { socket: Socket }).socket))

function sockets(): number {
  return connected.filter(({ destroyed }) => !destroyed).length
}

test('a channel that closes leaves no connection, timer or lease', async () => {
  const client = keep(clientOf(shared.of(3).labels))
  const orders = ordersOver(client)
  await Promise.all([get(orders), get(orders), get(orders)])
  await eventually(sockets, (count) => count === 3)
  orders.close()
  await eventually(sockets, (count) => count === 0)
  expect(client.inspect().callsUnderWay).toBe(0)
  await client.close()
})

test('a channel that closes while it waits for discovery, or connects, leaves nothing', async () => {
  const never = keep(clientOf(new Promise<never>(() => undefined)))
  const waiting = ordersOver(never)
  const failed = get(waiting).catch((error: unknown) => error)
  await delay(20)
  waiting.close()
  expect(await failed).toMatchObject({ code: 14 })
  const client = keep(clientOf(shared.of(2).labels))
  const connecting = ordersOver(client)
  const other = get(connecting).catch((error: unknown) => error)
  await delay(1)
  connecting.close()
  await other
  await eventually(
    () => client.inspect().callsUnderWay,
    (count) => count === 0,
  )
})

test('streams go on when their channel closes, and their leases end with them', async () => {
  const fleet = shared.of(1)
  const [task] = fleet.tasks as [GrpcTask]
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client)
  await get(orders)
  await task.behave({ holds: true })
  const call = get(orders)
  await task.hasHeld(1)
  orders.close()
  await task.behave({})
  await call
  expect(client.inspect().callsUnderWay).toBe(0)
})

test('client.close() waits for calls, and cuts the wait in time', async () => {
  const fleet = shared.of(1)
  const [task] = fleet.tasks as [GrpcTask]
  const client = clientOf(fleet.labels)
  const orders = ordersOver(client)
  await get(orders)
  await task.behave({ holds: true })
  const call = get(orders)
  await task.hasHeld(1)
  let isClosed = false
  const closed = client.close({ withinMs: 60_000 }).finally(() => {
    isClosed = true
  })
  await delay(30)
  expect(isClosed).toBe(false)
  await task.behave({})
  await call
  await closed
})

test('client.close() cuts calls and streams that take longer, so that the process can end', async () => {
  const fleet = shared.of(1)
  const client = clientOf(fleet.labels)
  const orders = ordersOver(client)
  await get(orders)
  const ejected = eventsOf('onehop:upstream.ejected')
  const stream = orders.Watch({ id: 'open' })
  const cut = once(stream, 'error')
  await once(stream, 'metadata')
  const [task] = fleet.tasks as [GrpcTask]
  await task.behave({ holds: true })
  const call = get(orders).catch((error: unknown) => error)
  const late = lateCredentials()
  const unsent = get(orders, '2', { credentials: late.credentials }).catch((error: unknown) => error)
  await Promise.all([task.hasHeld(1), late.asked])
  await client.close({ withinMs: 50 })
  late.give()
  const closed = { code: grpc.status['UNAVAILABLE'], details: '[ONEHOP_CLOSED] the client is closed' }
  expect((await cut)[0]).toMatchObject(closed)
  expect(await call).toMatchObject(closed)
  expect(await unsent).toMatchObject(closed)
  expect(ejected).toEqual([])
})

test('many channels share one client: its cluster, its ejections, and connections with equal options', async () => {
  const fleet = shared.of(3)
  const client = keep(clientOf(fleet.labels))
  const channels = Array.from({ length: 20 }, () =>
    ordersOver(client, { 'grpc.use_local_subchannel_pool': 0 }),
  )
  await Promise.all(channels.flatMap((orders) => [get(orders), get(orders), get(orders)]))
  expect(sockets()).toBe(3)
  expect(Object.keys(client.inspect().services['orders.shop.local']?.origins ?? {})).toHaveLength(1)
  expect(Object.values(upstreams(client, ({ pending, failures }) => [pending, failures]))).toEqual(
    Array.from({ length: 3 }, () => [0, 0]),
  )
  for (const orders of channels) orders.close()
  await eventually(sockets, (count) => count === 0)
})

test('a channel that was idle calls again', async () => {
  const fleet = shared.of(2)
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client, { 'grpc.client_idle_timeout_ms': 1_000 })
  await Promise.all([get(orders), get(orders)])
  await eventually(
    () => orders.getChannel().getConnectivityState(false),
    (state) => state === 0,
  )
  await Promise.all([get(orders), get(orders)])
  expect(client.inspect().callsUnderWay).toBe(0)
})

test('connections that another channel makes at the same time are waited for', async () => {
  const client = keep(clientOf(shared.of(1).labels))
  const options = { 'grpc.use_local_subchannel_pool': 0 }
  const [one, two] = [ordersOver(client, options), ordersOver(client, options)]
  await Promise.all([get(one), get(two), get(one), get(two)])
})

test('identical answers of discovery do not connect again', async () => {
  const fleet = shared.of(2)
  const client = keep(clientOf(fleet.labels))
  const snapshots = eventsOf('onehop:snapshot.changed')
  const orders = ordersOver(client)
  await Promise.all([get(orders), get(orders)])
  const requests = (): number[] => Object.values(upstreams(client, ({ requests: count }) => count))
  await eventually(requests, (counts) => counts.reduce((sum, count) => sum + count, 0) === 4)
  client.resolver.answer(fleet.labels.toReversed())
  await client.resolve('orders.shop.local')
  await delay(100)
  // Two connections and two calls, as before.
  expect(requests().reduce((sum, count) => sum + count, 0)).toBe(4)
  expect(snapshots.length).toBeLessThanOrEqual(2)
})

test('no handler of a signal, and nothing that keeps a process alive', async () => {
  const [label] = shared.of(1).labels
  const program = `
    import { createClient, staticResolver } from 'onehop'
    import { registerCloudMap } from 'onehop/grpc'
    import { grpc, Orders } from '${new URL('packages/load.ts', import.meta.url).href}'
    const before = process.eventNames().map((name) => [name, process.listenerCount(name)])
    const client = createClient({
      namespaces: ['shop.local'],
      discovery: staticResolver({ 'orders.shop.local': ['${label}'] }),
    })
    registerCloudMap(client)
    const orders = new Orders('cloudmap:///orders.shop.local', grpc.credentials.createInsecure())
    orders.Get({ id: '1' }, (error, order) => {
      const after = process.eventNames().map((name) => [name, process.listenerCount(name)])
      console.log(JSON.stringify({ error, task: order?.task, same: JSON.stringify(before) === JSON.stringify(after) }))
    })`
  const hook = new URL('packages/resolve.ts', import.meta.url).pathname
  const flags = ['--conditions=onehop:source', '--import', hook, '--input-type=module', '--eval', program]
  const stdout = await outputOf(flags, { cwd: new URL('../../..', import.meta.url).pathname })
  expect(JSON.parse(stdout)).toEqual({ error: null, task: label, same: true })
})

test('a client without channels, and a channel without calls, hold nothing', async () => {
  const client = createClient({ namespaces: ['shop.local'], discovery: 'dns' })
  const orders = ordersOver(client)
  const second = ordersAt('cloudmap:///payments.shop.local')
  await delay(20)
  expect(Object.keys(client.inspect().services)).toEqual([])
  orders.close()
  second.close()
  await client.close()
  expect(sockets()).toBe(0)
})
