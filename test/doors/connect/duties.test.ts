/** What every door owes: the caller's context, no trace in the process, hosts of others as without us. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createClient, InvalidOptionsError, onEvent, type ClientOptions } from 'onehop'
import { grpcClassify, transportOptions, universalClient } from 'onehop/connect'
import { Agent } from 'undici'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { patientClientOf as clientOf } from '../patient-client.ts'
import { refusingAddress } from '../../support/servers.ts'
import { outputOf } from '../output-of.ts'
import { collect, connect, countRest, ordersOver } from './connect.ts'
import { startTasks, type Task } from './tasks.ts'

const H2C = { allowH2: true, h2Options: { useH2c: true } }
const BASE = 'http://orders.shop.local'

let tasks: Task[]
let web: Task[]
beforeAll(async () => {
  tasks = await startTasks('h2c', 3)
  web = await startTasks('http', 1)
})
afterAll(async () => {
  for (const task of [...tasks, ...web]) await task.kill()
})

function open(labels: readonly { readonly label: string }[] = tasks, options: ClientOptions = {}) {
  const client = clientOf(labels, { classify: grpcClassify, pool: H2C, ...options })
  onTestFinished(() => client.close({ withinMs: 0 }))
  return { client, service: ordersOver('grpc', { baseUrl: BASE, dispatcher: client.dispatcher }) }
}

describe('the async context of the caller', () => {
  const store = new AsyncLocalStorage<string>()

  test('is that of its retries and of what follows, over a connection of another call', async () => {
    const bad = await refusingAddress()
    const { service } = open([{ label: bad }, ...tasks])
    const orders = await service
    const seen: unknown[] = []
    onTestFinished(onEvent('onehop:call.retried', () => seen.push(store.getStore())))
    // Opens the connections, in a context of its own.
    await store.run('other', () => orders.list({ count: 1 })[Symbol.asyncIterator]().next())
    await Promise.all(
      Array.from({ length: 8 }, (_, id) =>
        store.run(`call ${id}`, async () => {
          await orders.get({ id })
          expect(store.getStore()).toBe(`call ${id}`)
          const stream = orders.list({ count: 3, everyMs: 1 })[Symbol.asyncIterator]()
          while ((await stream.next()).done !== true) expect(store.getStore()).toBe(`call ${id}`)
        }),
      ),
    )
    expect(seen.length).toBeGreaterThan(0)
    for (const value of seen) expect(value).toMatch(/^(other|call \d)$/)
  })

  test('is that of its hedges', async () => {
    const hedge = { percentile: 50, budget: { ratio: 1, minPerSecond: 1_000 } }
    const { service } = open(tasks, { hedge })
    const orders = await service
    for (let id = 0; id < 130; id++) await orders.get({ id })
    const seen: unknown[] = []
    onTestFinished(onEvent('onehop:call.hedged', () => seen.push(store.getStore())))
    await tasks[0]?.set({ delayMs: 1_500 })
    try {
      // The delay of hedges is computed every 250 ms.
      while (seen.length === 0)
        await Promise.all([1, 2, 3].map((id) => store.run(`call ${id}`, () => orders.get({ id }))))
    } finally {
      await tasks[0]?.set({})
    }
    for (const value of seen) expect(value).toMatch(/^call \d$/)
  })
})

test('no handler of a signal, and nothing that keeps a process alive', async () => {
  const program = `
    import { createClient, staticResolver } from 'onehop'
    import { grpcClassify } from 'onehop/connect'
    import { ordersOver } from '${new URL('connect.ts', import.meta.url).href}'
    const signals = () => ['SIGTERM', 'SIGINT', 'SIGHUP', 'exit'].map((name) => process.listenerCount(name))
    const before = signals()
    const client = createClient({
      discovery: staticResolver({ 'orders.shop.local': ['${tasks[0]?.label}'] }),
      services: { 'orders.shop.local': {} },
      classify: grpcClassify,
      pool: ${JSON.stringify(H2C)},
    })
    const orders = await ordersOver('grpc', { baseUrl: '${BASE}', dispatcher: client.dispatcher })
    const { id } = await orders.get({ id: 7 })
    console.log(JSON.stringify({ id, same: before.join() === signals().join() }))`
  const flags = ['--conditions=onehop:source', '--input-type=module', '--eval', program]
  expect(JSON.parse(await outputOf(flags))).toEqual({ id: 7, same: true })
})

test('close() leaves no socket and no timer', async () => {
  const count = (): string[] => process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout/.test(kind))
  const before = count()
  const { client, service } = open()
  const orders = await service
  await Promise.all([1, 2, 3].map((id) => orders.get({ id })))
  expect(await collect(orders.list({ count: 5 }, { timeoutMs: 60_000 }))).toHaveLength(5)
  const left = orders.list({ count: 1_000, everyMs: 5 })[Symbol.asyncIterator]()
  await left.next()
  await left.return?.()
  await client.close()
  await expect.poll(() => count().length).toBeLessThanOrEqual(before.length)
})

test('close() waits for streams under way', async () => {
  const { client, service } = open()
  const orders = await service
  const stream = orders.list({ count: 20, everyMs: 10 })[Symbol.asyncIterator]()
  const endless = orders.list({ count: 1_000_000, everyMs: 10 })[Symbol.asyncIterator]()
  await Promise.all([stream.next(), endless.next()])
  let isClosed = false
  const closed = client.close().finally(() => {
    isClosed = true
  })
  expect(await countRest(stream)).toBe(19)
  expect(isClosed).toBe(false)
  await endless.return?.()
  await closed
  await expect(orders.get({ id: 1 })).rejects.toMatchObject({ code: 14 })
})

test('close({ withinMs }) cuts them', async () => {
  const { client, service } = open()
  const orders = await service
  const stream = orders.list({ count: 100_000, everyMs: 10 })[Symbol.asyncIterator]()
  await stream.next()
  const rest = countRest(stream).catch((reason: unknown) => reason)
  await client.close({ withinMs: 50 })
  const error = await rest
  expect(error).toBeInstanceOf(connect.ConnectError)
  expect(error).toMatchObject({ code: 14 })
})

describe('a host that is not discovered', () => {
  test('is called as by the dispatcher that was there before', async () => {
    const { client } = open()
    const own = new Agent()
    onTestFinished(() => own.close())
    for (const dispatcher of [client.dispatcher, own]) {
      const orders = await ordersOver('connect', { baseUrl: `http://${web[0]?.label}`, dispatcher })
      expect(await orders.get({ id: 1 })).toMatchObject({ id: 1, task: '127.0.1.1' })
      expect(await collect(orders.list({ count: 2 }))).toHaveLength(2)
    }
    expect(client.inspect().services).toEqual({})
  })

  test('that refuses has the code that it has without us', async () => {
    const { client } = open()
    const own = new Agent()
    onTestFinished(() => own.close())
    const refused = await refusingAddress()
    for (const dispatcher of [client.dispatcher, own]) {
      const orders = await ordersOver('connect', { baseUrl: `http://${refused}`, dispatcher })
      await expect(orders.get({ id: 1 })).rejects.toMatchObject({ name: 'ConnectError', code: 14 })
    }
  })
})

describe('wrong arguments are refused at once', () => {
  const client = createClient()
  afterAll(() => client.close())

  test.each([undefined, null, 'client', client, {}, { dispatch: () => true }])('%s', (given) => {
    expect(() => universalClient(given as never)).toThrow(InvalidOptionsError)
    expect(() => transportOptions(given as never)).toThrow('client.dispatcher, or a dispatcher of undici')
  })

  test('interceptors that are not an array of functions', () => {
    for (const given of [{}, () => undefined, [{}], [undefined]])
      expect(() => transportOptions(client.dispatcher, given as never)).toThrow(InvalidOptionsError)
  })
})
