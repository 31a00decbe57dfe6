/** examples/service.ts as two real services: checkout calls orders, and both leave without a trace. */
import { startLocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'

const script = new URL('../../examples/service.ts', import.meta.url).pathname
const ORDERS = 'orders.shop.local'
const CHECKOUT = 'checkout.shop.local'

test('a service registers, serves, calls another one, and shuts down', async () => {
  await using aws = await startLocalAws()
  const start = async (host: string, calls?: string): ReturnType<typeof aws.startEcsService> => {
    const { id } = aws.addService(host, { ttlSeconds: 1 })
    const options = {
      ...{ dns: { servers: [aws.dns.server] }, allowLoopback: true },
      cloudMap: { ...aws.cloudMap, credentials: aws.cloudMap.credentials },
    }
    return aws.startEcsService({
      command: [process.execPath, '--conditions=onehop:source', script],
      ...{ host, tasks: 2, registeredBy: 'task', startWithinMs: 100_000 },
      env: {
        CLOUD_MAP_SERVICE: id,
        LOCAL_OPTIONS: JSON.stringify(options),
        ...(calls === undefined ? {} : { CALLS: calls }),
      },
    })
  }
  const orders = await start(ORDERS)
  const checkout = await start(CHECKOUT, ORDERS)
  const call = async (): Promise<unknown> => {
    const task = checkout.tasks.find(({ state }) => state === 'RUNNING')
    const response = await fetch(`http://${task?.address}:${checkout.port}/v1/checkout`, { method: 'POST' })
    return response.json()
  }
  expect(await call()).toEqual({ paid: true, order: 42 })

  const stopped = orders.tasks[0]?.stop()
  for (let count = 0; count < 50; count++) expect(await call()).toEqual({ paid: true, order: 42 })
  expect(await stopped).toMatchObject({ code: 0, signal: null })
  expect(aws.instances(ORDERS)).toHaveLength(1)
  expect(await call()).toEqual({ paid: true, order: 42 })

  const exits = await Promise.all([...orders.tasks, ...checkout.tasks].map((task) => task.stop()))
  expect(exits.map(({ code }) => code)).toEqual([0, 0, 0, 0])
  expect([...aws.instances(ORDERS), ...aws.instances(CHECKOUT)]).toEqual([])
}, 180_000)
