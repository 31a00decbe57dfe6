/** The caller's async context in all that a call calls back, although others opened its connection or looked up its tasks. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { patientClientOf as clientOf } from '../patient-client.ts'
import { resources } from '../../support/resources.ts'
import { GrpcFleet } from './fleet.ts'
import { connect, get, ordersOver } from './orders.ts'
import { grpc, type OrdersClient } from './packages/load.ts'

const { keep } = resources()
const shared = GrpcFleet.share(3)

const trace = new AsyncLocalStorage<string>()

/** Contexts that an interceptor sees, by the call's own: what a tracer does. */
function interceptor(seen: string[]): unknown {
  const see = (what: string, own: string | undefined): void => {
    if (trace.getStore() !== own) seen.push(`${what} of ${own} in ${trace.getStore()}`)
  }
  return (options: object, next: (options: object) => object) => {
    const own = trace.getStore()
    type Next = (...given: unknown[]) => void
    return new grpc.InterceptingCall(next(options), {
      start(metadata: object, _listener: object, start: Next) {
        see('start', own)
        start(metadata, {
          onReceiveMetadata(received: object, pass: Next) {
            see('metadata', own)
            pass(received)
          },
          onReceiveMessage(message: object, pass: Next) {
            see('message', own)
            pass(message)
          },
          onReceiveStatus(status: object, pass: Next) {
            see('status', own)
            pass(status)
          },
        })
      },
    })
  }
}

async function calls(orders: OrdersClient, wave: string): Promise<string[]> {
  const wrong: string[] = []
  const check = (own: string, what: string): void => {
    if (trace.getStore() !== own) wrong.push(`${what} of ${own} in ${trace.getStore()}`)
  }
  const unary = (own: string): Promise<void> =>
    trace.run(own, async () => {
      await new Promise<void>((resolve) => {
        orders.Get({ id: own }, () => {
          check(own, 'callback')
          resolve()
        })
      })
    })
  const stream = (own: string): Promise<void> =>
    trace.run(own, async () => {
      const call = orders.Watch({ id: own })
      for (const event of ['metadata', 'data', 'status', 'error']) call.on(event, () => check(own, event))
      await once(call, 'end').catch(() => undefined)
    })
  await Promise.all([
    ...Array.from({ length: 6 }, (_value, index) => unary(`${wave}-unary-${index}`)),
    ...Array.from({ length: 3 }, (_value, index) => stream(`${wave}-stream-${index}`)),
  ])
  return wrong
}

test('calls that wait for discovery and connections, and those on connections of others, stay in their contexts', async () => {
  const fleet = shared.of(3)
  const late = delay(150).then(() => fleet.labels)
  const client = keep(clientOf(late))
  const seen: string[] = []
  const orders = trace.run('app', () => ordersOver(client, { interceptors: [interceptor(seen)] }))
  await delay(10)
  expect(await calls(orders, 'cold')).toEqual([])
  expect(await calls(orders, 'warm')).toEqual([])
  expect(seen).toEqual([])
})

test.each([
  [
    'retries',
    {
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: '0.01s',
        maxBackoff: '0.1s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
  ['hedges', { hedgingPolicy: { maxAttempts: 2, hedgingDelay: '0.02s' } }],
])('%s stay in the context of their call', async (_kind, policy) => {
  const fleet = shared.of(3)
  const client = keep(clientOf(fleet.labels, { outlier: false }))
  const seen: string[] = []
  const config = JSON.stringify({ methodConfig: [{ name: [{}], ...policy }] })
  const orders = ordersOver(client, { interceptors: [interceptor(seen)], 'grpc.service_config': config })
  await delay(10)
  await connect(orders, client)
  await fleet.tasks[0]?.behave('retryPolicy' in policy ? { code: 14 } : { delayMs: 300 })
  expect(await calls(orders, 'one')).toEqual([])
  expect(await calls(orders, 'two')).toEqual([])
  expect(seen).toEqual([])
})

test('calls that meet a task that is killed fail over in their contexts', async () => {
  const fleet = await GrpcFleet.start(2)
  const client = keep(clientOf(fleet.labels))
  const orders = ordersOver(client)
  await delay(10)
  await trace.run('opener', () => get(orders))
  await get(orders)
  await fleet.tasks[0]?.kill()
  for (let wave = 0; wave < 3; wave++) expect(await calls(orders, String(wave))).toEqual([])
})
