import { createClient, type Client, type UpstreamInspection } from 'onehop'
import { registerCloudMap } from 'onehop/grpc'
import { scriptedResolver, type ScriptedAnswer, type ScriptedResolver } from 'onehop/testing'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import { eventually } from '../../support/until.ts'
import { grpc, Orders, type Order, type OrdersClient } from './packages/load.ts'

export const TARGET = 'cloudmap:///orders.shop.local'

/** A channel of its own to `shop.Orders` through a client. Both end with the test. */
export function ordersOver(
  client: Client,
  options: object = {},
  credentials: object = grpc.credentials.createInsecure(),
  target: string = TARGET,
): OrdersClient {
  registerCloudMap(client)
  return ordersAt(target, options, credentials)
}

export function ordersAt(
  target: string,
  options: object = {},
  credentials: object = grpc.credentials.createInsecure(),
): OrdersClient {
  // Tests with the same target must not share connections.
  const orders = new Orders(target, credentials, { 'grpc.use_local_subchannel_pool': 1, ...options })
  onTestFinished(() => orders.close())
  return orders
}

export async function get(orders: OrdersClient, id = '42', options: object = {}): Promise<Order> {
  return new Promise((resolve, reject) => {
    orders.Get({ id }, options, (error, order) => {
      if (error === null) resolve(order)
      else reject(error)
    })
  })
}

/** Credentials of a call that are there once they are given. */
export interface LateCredentials {
  readonly credentials: object
  /** The call has asked for them. */
  readonly asked: Promise<void>
  /** At once, if they are asked for later. */
  give(): void
}

export function lateCredentials(): LateCredentials {
  const asked = Promise.withResolvers<void>()
  const given = Promise.withResolvers<void>()
  const credentials = grpc.credentials.createFromMetadataGenerator((_parameters, callback) => {
    asked.resolve()
    void given.promise.then(() => callback(null, new grpc.Metadata()))
  })
  return { credentials, asked: asked.promise, give: given.resolve }
}

/** A client whose discovery looks again every 200 ms. */
export function changingClient(answer: ScriptedAnswer): Client & { readonly resolver: ScriptedResolver } {
  const resolver = scriptedResolver(systemClock, answer, 200)
  const client = createClient({ namespaces: ['shop.local'], discovery: resolver })
  onTestFinished(() => client.close({ withinMs: 1_000 }))
  return Object.assign(client, { resolver })
}

/** Makes the first call, and waits until all tasks are connected: each connection counts as a request. */
export async function connect(orders: OrdersClient, client: Client): Promise<void> {
  await get(orders)
  await eventually(
    () => upstreams(client, ({ requests }) => requests),
    (requests) => Object.values(requests).every((count) => count > 0) && Object.values(requests).length > 0,
  )
}

/** The upstreams of the service, by what `of` takes of each. */
export function upstreams<Value>(
  client: Client,
  of: (upstream: UpstreamInspection) => Value,
): Record<string, Value> {
  return Object.fromEntries(all(client).map((upstream) => [upstream.upstream, of(upstream)]))
}

function all(client: Client): readonly UpstreamInspection[] {
  return Object.values(client.inspect().services['orders.shop.local']?.origins ?? {})[0]?.upstreams ?? []
}
