/** What discovery knows late, wrongly or not at all; the load balancer; other policies and names. */
import dns from 'node:dns'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, taskEndpoint, type ClientOptions, type Resolver } from 'onehop'
import { registerCloudMap } from 'onehop/grpc'
import { expect, onTestFinished, test, vi } from 'vitest'
import { patientClientOf as clientOf } from '../patient-client.ts'
import { eventsOf } from '../../support/events.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress } from '../../support/servers.ts'
import { balancerCert, balancerKey, ca, cert, key, otherCa } from '../../support/transports/tls.ts'
import { eventually } from '../../support/until.ts'
import { GrpcFleet } from './fleet.ts'
import { changingClient, get, ordersAt, ordersOver, upstreams } from './orders.ts'
import { grpc } from './packages/load.ts'

const { keep } = resources()
const shared = GrpcFleet.share(3)
const UNAVAILABLE = 14

function withReady(): object {
  return { waitForReady: true }
}

test('calls wait for discovery that is late', async () => {
  const fleet = shared.of(2)
  const late = delay(200).then(() => fleet.labels)
  const client = keep(clientOf(late))
  const orders = ordersOver(client)
  await Promise.all([get(orders), get(orders), get(orders)])
  await expect(
    get(ordersOver(keep(clientOf(new Promise(() => undefined)))), '1', { deadline: Date.now() + 100 }),
  ).rejects.toMatchObject({ code: grpc.status['DEADLINE_EXCEEDED'] })
})

test('another policy, and no port in the target: it gets no addresses while their ports may come', async () => {
  const fleet = shared.of(1)
  const [label = ''] = fleet.labels
  const [address = '', port = ''] = label.split(':')
  const withPorts = Promise.withResolvers<void>()
  const resolver: Resolver = {
    trusted: true,
    resolve: async (service, _signal, reason) => {
      const hasPorts = reason === 'ports'
      if (hasPorts) await withPorts.promise
      return {
        service,
        endpoints: [taskEndpoint(address, { port: hasPorts ? Number(port) : undefined })],
        awaitsPorts: !hasPorts,
        complete: true,
        expiresAt: performance.now() + 60_000,
        source: 'test',
        revision: undefined,
      }
    },
  }
  const client = keep(createClient({ namespaces: ['shop.local'], discovery: resolver }))
  const config = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] })
  const order = get(ordersOver(client, { 'grpc.service_config': config }))
  setTimeout(() => withPorts.resolve(), 300)
  expect(await order).toBeDefined()
})

test('a service that discovery cannot find fails with UNAVAILABLE and the reason, and works once it is found', async () => {
  const client = keep(clientOf(new Error('SERVFAIL from all servers')))
  const orders = ordersOver(client)
  const error = await get(orders).catch((reason: unknown) => reason)
  expect(error).toMatchObject({
    code: UNAVAILABLE,
    details: expect.stringMatching(/ONEHOP_RESOLUTION_FAILED.*orders\.shop\.local.*SERVFAIL/) as string,
  })
  client.resolver.answer(shared.of(2).labels)
  await eventually(
    () => get(orders).catch(() => undefined),
    (order) => order !== undefined,
  )
})

test('a service without tasks fails with UNAVAILABLE, and works with its first task', async () => {
  const client = changingClient([])
  const orders = ordersOver(client)
  await expect(get(orders)).rejects.toMatchObject({
    code: UNAVAILABLE,
    details: expect.stringMatching(/ONEHOP_NO_ENDPOINTS.*orders\.shop\.local/) as string,
  })
  client.resolver.answer(shared.of(1).labels)
  const metadata = new grpc.Metadata(withReady())
  await new Promise<void>((resolve, reject) => {
    orders.Get({ id: '1' }, metadata, { deadline: Date.now() + 100_000 }, (error) => {
      if (error === null) resolve()
      else reject(error)
    })
  })
})

test('tasks that refuse fail the call at once with the addresses; a call that waits until one is ready gets it', async () => {
  const { address, port } = await refusing()
  const client = keep(clientOf([`${address}:${port}`]))
  const ejected = eventsOf('onehop:upstream.ejected')
  const orders = ordersOver(client)
  await expect(get(orders)).rejects.toMatchObject({
    code: UNAVAILABLE,
    details: expect.stringContaining(`${address}:${port}: connect ECONNREFUSED`) as string,
  })
  // It has not waited for another try, of which there are many.
  expect(upstreams(client, ({ requests }) => requests)).toEqual({ [`${address}:${port}`]: 1 })
  expect(ejected).toMatchObject([{ upstream: `${address}:${port}`, cause: 'refuses' }])
  const waiting = new Promise<void>((resolve, reject) => {
    orders.Get({ id: '1' }, new grpc.Metadata(withReady()), {}, (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  client.resolver.answer(shared.of(1).labels)
  await client.resolve('orders.shop.local')
  await waiting
})

test('a task that is wrong among others costs no call', async () => {
  const { address, port } = await refusing()
  const fleet = shared.of(2)
  const client = keep(clientOf([`${address}:${port}`, ...fleet.labels]))
  const orders = ordersOver(client)
  for (let count = 0; count < 20; count++) await get(orders)
  expect(upstreams(client, ({ state }) => state)[`${address}:${port}`]).not.toBe('available')
})

test('a task that takes connections and never speaks HTTP/2 is a connection that takes too long', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as { port: number }
  const client = keep(clientOf([`127.0.0.1:${port}`], { timeouts: { connectMs: 150 } }))
  const orders = ordersOver(client)
  await expect(get(orders)).rejects.toMatchObject({
    code: UNAVAILABLE,
    details: expect.stringContaining('no connection in 150 ms (timeouts.connectMs)') as string,
  })
  expect(upstreams(client, ({ state }) => state)).toEqual({ [`127.0.0.1:${port}`]: 'ejected' })
})

test('a host that the client does not discover fails with UNAVAILABLE; other schemes are as before', async () => {
  const client = keep(clientOf(shared.of(1).labels))
  const orders = ordersOver(client, {}, grpc.credentials.createInsecure(), 'cloudmap:///api.example.com:443')
  await expect(get(orders)).rejects.toMatchObject({
    code: UNAVAILABLE,
    details: expect.stringContaining('api.example.com') as string,
  })
  const [label = ''] = shared.of(1).labels
  expect((await get(ordersAt(label))).task).toBe(label)
  expect((await get(ordersAt(`ipv4:${label}`))).task).toBe(label)
})

test.each([
  ['cloudmap://orders.shop.local', 'cloudmap:///<host>[:<port>], with three slashes'],
  ['cloudmap:///orders.shop.local:0', 'cloudmap:///<host>[:<port>]'],
  ['cloudmap:///http://orders.shop.local', 'cloudmap:///<host>[:<port>]'],
  ['cloudmap://eu/orders.shop.local', 'cloudmap:///<host>[:<port>]'],
])('the target %s is refused at once', (target, allowed) => {
  registerCloudMap(keep(clientOf([])))
  expect(() => ordersAt(target)).toThrow(allowed)
})

test('the load balancer takes the calls when no task is known, by its own name', async () => {
  const fleet = await GrpcFleet.start(1)
  const [balancer] = fleet.tasks
  const options: ClientOptions = { fallback: `http://${balancer?.label}` }
  const fellBack = eventsOf('onehop:call.fell-back')
  for (const answer of [
    [],
    new Error('SERVFAIL'),
    [await refusing().then(({ address, port }) => `${address}:${port}`)],
  ]) {
    const client = keep(clientOf(answer, options))
    const orders = ordersOver(client)
    // The first finds out that the task refuses.
    await get(orders).catch(() => undefined)
    expect((await get(orders)).task).toBe(balancer?.label)
    expect((await balancer?.stats())?.host).toBe(balancer?.label)
    orders.close()
  }
  expect(new Set(fellBack.map(({ cause }) => cause))).toEqual(
    new Set(['no-tasks', 'discovery-failed', 'tasks-ejected']),
  )
})

test('TLS: tasks are verified by the caller’s name, and the load balancer by its own', async () => {
  const tasks = await GrpcFleet.start(1, { CERT: cert, KEY: key })
  const balancer = await GrpcFleet.start(1, { CERT: balancerCert, KEY: balancerKey })
  const secure = grpc.credentials.createSsl(Buffer.from(ca + otherCa))
  const orders = ordersOver(keep(clientOf(tasks.labels)), {}, secure)
  expect((await get(orders)).task).toBe(tasks.labels[0])
  expect((await tasks.tasks[0]?.stats())?.host).toBe('orders.shop.local')
  // The load balancer's certificate does not hold for the name of the service.
  await expect(get(ordersOver(keep(clientOf(balancer.labels)), {}, secure))).rejects.toMatchObject({
    code: UNAVAILABLE,
    details: expect.stringContaining("does not match certificate's altnames") as string,
  })
})

test('TLS: the load balancer is verified by its own name, or by the service’s if that is preserved', async () => {
  const balancer = await GrpcFleet.start(1, { CERT: balancerCert, KEY: balancerKey })
  const preserving = await GrpcFleet.start(1, { CERT: cert, KEY: key })
  const [{ address, port } = { address: '', port: 0 }] = balancer.tasks
  // Stands for the DNS record of the load balancer.
  const answer = [{ address, family: 4 }]
  vi.spyOn(dns, 'lookup').mockImplementation(((
    _host: string,
    _options: object,
    callback: (...given: unknown[]) => void,
  ) => callback(null, answer)) as never)
  onTestFinished(() => void vi.restoreAllMocks())
  const secure = grpc.credentials.createSsl(Buffer.from(ca + otherCa))
  const own = keep(clientOf([], { fallback: `https://balancer.shop.example:${port}` }))
  expect((await get(ordersOver(own, {}, secure))).task).toBe(balancer.labels[0])
  expect((await balancer.tasks[0]?.stats())?.host).toBe(`balancer.shop.example:${port}`)

  const url = `https://${preserving.labels[0]}`
  const preserved = keep(clientOf([], { fallback: { url, host: 'preserve' } }))
  expect((await get(ordersOver(preserved, {}, secure))).task).toBe(preserving.labels[0])
  expect((await preserving.tasks[0]?.stats())?.host).toBe('orders.shop.local')
})

test('another policy gets the endpoints of discovery, and each change of them', async () => {
  const fleet = shared.of(3)
  const client = changingClient(fleet.labels.slice(0, 2))
  const config = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] })
  const orders = ordersOver(client, { 'grpc.service_config': config })
  const seen = new Set<string>()
  const see = async (): Promise<number> => seen.add((await get(orders)).task).size
  // The first calls go to those that are connected.
  await eventually(see, (tasks) => tasks === 2)
  for (let count = 0; count < 20; count++) await see()
  expect(seen).toEqual(new Set(fleet.labels.slice(0, 2)))
  client.resolver.answer(fleet.labels)
  await eventually(
    async () => (await get(orders)).task,
    (task) => task === fleet.labels[2],
  )
  const failing = ordersOver(keep(clientOf(new Error('SERVFAIL'))), { 'grpc.service_config': config })
  await expect(get(failing)).rejects.toMatchObject({
    code: UNAVAILABLE,
    details: expect.stringContaining('SERVFAIL') as string,
  })
})

test('the policy on a target of gRPC’s own says what it needs', async () => {
  registerCloudMap(keep(clientOf([])))
  const config = JSON.stringify({ loadBalancingConfig: [{ onehop: {} }] })
  const orders = ordersAt(`ipv4:${shared.of(1).labels[0]}`, { 'grpc.service_config': config })
  await expect(get(orders)).rejects.toMatchObject({
    code: UNAVAILABLE,
    details: expect.stringContaining('cloudmap:///<host>') as string,
  })
})

async function refusing(): Promise<{ readonly address: string; readonly port: number }> {
  const { hostname, port } = new URL(`http://${await refusingAddress()}`)
  return { address: hostname, port: Number(port) }
}
