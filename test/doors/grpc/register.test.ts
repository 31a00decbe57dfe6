/** What `registerCloudMap` takes, and which grpc-js. */
import { createRequire } from 'node:module'
import { registerCloudMap, type CloudMapOptions } from 'onehop/grpc'
import { expect, test } from 'vitest'
import { patientClientOf as clientOf } from '../patient-client.ts'
import { resources } from '../../support/resources.ts'
import { eventually } from '../../support/until.ts'
import { GrpcFleet } from './fleet.ts'
import { connect, get, ordersAt, ordersOver } from './orders.ts'
import { grpc, type Grpc, Orders, type OrdersClient } from './packages/load.ts'

const { keep } = resources()
const shared = GrpcFleet.share(2)
const requireHere = createRequire(new URL('packages/', import.meta.url))

test.each<[CloudMapOptions, string]>([
  [{ schema: 'x' } as never, 'registerCloudMap: got "schema"'],
  [null as never, 'registerCloudMap: got null'],
  [{ scheme: 'dns' }, 'registerCloudMap.scheme: got "dns"; allowed: a scheme in lower case'],
  [{ scheme: 'Cloud Map' }, 'registerCloudMap.scheme'],
  [{ scheme: 7 as never }, 'registerCloudMap.scheme: got 7'],
  [{ policy: 'round_robin' }, 'that no other policy has'],
  [{ policy: '' }, 'registerCloudMap.policy'],
  [{ serviceConfig: 'x' as never }, 'registerCloudMap.serviceConfig'],
  [
    { serviceConfig: { methodConfig: [{ name: [{}], timeout: '5' }] } },
    'Invalid method config: invalid timeout',
  ],
  [{ serviceConfig: { methodConfig: [{ name: [{}], retryPolicy: { maxAttempts: 1 } }] } }, 'maxAttempts'],
  [{ grpc: {} }, "registerCloudMap.grpc: got {}; allowed: what '@grpc/grpc-js' exports"],
])('%j is refused', (options, message) => {
  const client = keep(clientOf([]))
  expect(() => registerCloudMap(client, options)).toThrow('[ONEHOP_INVALID_OPTIONS]')
  expect(() => registerCloudMap(client, options)).toThrow(message)
})

test.each([undefined, {}, 7])('%j is not a client', (client) => {
  expect(() => registerCloudMap(client as never)).toThrow('client: got')
})

test('grpc-js 1.13 is refused by its version; a copy within a bundle by what it lacks', () => {
  const client = keep(clientOf([]))
  const old = requireHere('grpc-js-1.13') as Grpc
  expect(() => registerCloudMap(client, { grpc: old })).toThrow(
    '@grpc/grpc-js: got "1.13.7"; allowed: 1.14.x (>=1.14 <1.15)',
  )
  const bundled = ({ experimental, ...rest }: Grpc): object => ({
    ...rest,
    experimental: { ...experimental },
  })
  expect(() => registerCloudMap(client, { grpc: bundled(old) })).toThrow('a version without experimental')
  registerCloudMap(client, { grpc: bundled(grpc) })
})

test('the first grpc-js 1.14 works, as another copy than the one that onehop finds', async () => {
  const first = requireHere('grpc-js-1.14.0') as Grpc
  const client = keep(clientOf(shared.of(2).labels))
  registerCloudMap(client, { grpc: first })
  const loader = requireHere('@grpc/proto-loader') as { loadSync(file: string, options: object): object }
  const proto = new URL('../../../examples/grpc/orders.proto', import.meta.url).pathname
  const { shop } = first.loadPackageDefinition(loader.loadSync(proto, { keepCase: true }))
  const orders = new shop.Orders('cloudmap:///orders.shop.local', first.credentials.createInsecure())
  await Promise.all([get(orders), get(orders)])
  orders.close()
})

test('ESM and CommonJS of an app get the same grpc-js, and so does onehop', async () => {
  const imported = (await import(requireHere.resolve('@grpc/grpc-js'))) as { default: unknown }
  expect(imported.default).toBe(requireHere('@grpc/grpc-js'))
  expect(grpc).toBe(imported.default)
})

const RETRIES = {
  maxAttempts: 2,
  initialBackoff: '0.01s',
  maxBackoff: '0.1s',
  backoffMultiplier: 2,
  retryableStatusCodes: ['UNAVAILABLE'],
}

test('a registered service config holds for all channels; that of a channel takes precedence', async () => {
  const fleet = shared.of(2)
  const client = keep(clientOf(fleet.labels, { outlier: false }))
  registerCloudMap(client, {
    serviceConfig: { methodConfig: [{ name: [{}], retryPolicy: RETRIES, timeout: '60s' }] },
  })
  const channel = (methodConfig: object): OrdersClient =>
    ordersAt('cloudmap:///orders.shop.local', {
      'grpc.service_config': JSON.stringify({ methodConfig: [{ name: [{}], ...methodConfig }] }),
    })
  const retrying = ordersAt('cloudmap:///orders.shop.local')
  const plain = channel({})
  const brief = channel({ timeout: '0.25s' })
  await connect(retrying, client)
  await connect(plain, client)
  await Promise.all(Array.from({ length: 4 }, () => get(plain)))
  await fleet.tasks[0]?.behave({ code: grpc.status['UNAVAILABLE'] ?? 0 })
  for (let count = 0; count < 6; count++) await get(retrying)
  const results = await Promise.allSettled(Array.from({ length: 6 }, () => get(plain)))
  expect(results.some(({ status }) => status === 'rejected')).toBe(true)
  for (const task of fleet.tasks) await task.behave({ holds: true })
  const registered = get(retrying)
  await expect(get(brief)).rejects.toMatchObject({ code: grpc.status['DEADLINE_EXCEEDED'] })
  for (const task of fleet.tasks) await task.behave({})
  await registered
})

test('names of one’s own, for several clients', async () => {
  const [one, two] = shared.of(2).labels as [string, string]
  registerCloudMap(keep(clientOf([one])), { scheme: 'east', policy: 'east' })
  registerCloudMap(keep(clientOf([two])), { scheme: 'west', policy: 'west' })
  expect((await get(ordersAt('east:///orders.shop.local'))).task).toBe(one)
  expect((await get(ordersAt('west:///orders.shop.local'))).task).toBe(two)
})

test('a scheme that is registered again is another client’s for new channels; the old ones keep theirs', async () => {
  const [one, two] = shared.of(2).labels as [string, string]
  const before = ordersOver(keep(clientOf([one])))
  expect((await get(before)).task).toBe(one)
  expect((await get(ordersOver(keep(clientOf([two]))))).task).toBe(two)
  expect((await get(before)).task).toBe(one)
})

test('a closed client fails calls with its error, also those that would wait', async () => {
  const client = keep(clientOf(shared.of(1).labels))
  const orders = ordersOver(client)
  await get(orders)
  await client.close()
  const closed = {
    code: grpc.status['UNAVAILABLE'],
    details: expect.stringContaining('[ONEHOP_CLOSED]') as string,
  }
  await expect(get(orders)).rejects.toMatchObject(closed)
  const late = new Orders('cloudmap:///orders.shop.local', grpc.credentials.createInsecure())
  const metadata = new grpc.Metadata({ waitForReady: true })
  const error = await new Promise((resolve) => late.Get({ id: '1' }, metadata, {}, resolve))
  expect(error).toMatchObject(closed)
  late.close()
})

test('waitForReady of a channel connects before there are calls', async () => {
  const client = keep(clientOf(shared.of(2).labels))
  const orders = ordersOver(client)
  await new Promise<void>((resolve, reject) => {
    orders.waitForReady(Date.now() + 60_000, (error) => (error === undefined ? resolve() : reject(error)))
  })
  expect(orders.getChannel().getConnectivityState(false)).toBe(2)
  await eventually(
    () => client.inspect().callsUnderWay,
    (count) => count === 0,
  )
})
