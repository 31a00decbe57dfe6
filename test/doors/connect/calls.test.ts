/** Calls of all kinds by Connect, over each protocol and kind of connection, to its own servers. */
import type { Client, ClientOptions } from 'onehop'
import { grpcClassify } from 'onehop/connect'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { patientClientOf as clientOf } from '../patient-client.ts'
import { ca } from '../../support/transports/tls.ts'
import {
  collect,
  compressionGzip,
  countRest,
  ordersOver,
  type Order,
  type Orders,
  type Protocol,
} from './connect.ts'
import { startTasks, type Task } from './tasks.ts'
import type { TaskWorld } from './task.ts'

const H2C = { allowH2: true, h2Options: { useH2c: true } }
const POOLS: Readonly<Record<TaskWorld, ClientOptions['pool']>> = {
  h2c: H2C,
  h2: { allowH2: true, connect: { ca } },
  http: undefined,
}
const HOST = 'orders.shop.local'

const CASES: readonly (readonly [Protocol, TaskWorld])[] = [
  ['grpc', 'h2c'],
  ['grpc', 'h2'],
  ['connect', 'h2c'],
  ['connect', 'h2'],
  ['connect', 'http'],
  ['grpc-web', 'http'],
  ['grpc-web', 'h2c'],
]

async function* orders(count: number, size = 0): AsyncGenerator<Partial<Order>> {
  for (let id = 1; id <= count; id++) yield { id, payload: new Uint8Array(size) }
}

describe.each(CASES)('%s over %s', (protocol, world) => {
  let tasks: Task[]
  const clients: Client[] = []
  beforeAll(async () => {
    tasks = await startTasks(world, 2)
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close()
  })
  afterAll(async () => {
    for (const task of tasks) await task.kill()
  })

  const open = async (options: ClientOptions = {}, more: object = {}): Promise<Orders> => {
    const client = clientOf(tasks, { classify: grpcClassify, pool: POOLS[world], ...options })
    clients.push(client)
    const baseUrl = `${world === 'h2' ? 'https' : 'http'}://${HOST}`
    return ordersOver(protocol, { baseUrl, dispatcher: client.dispatcher, more })
  }

  test('unary, on all tasks, with headers and trailers', async () => {
    const service = await open()
    const answered = new Set<string>()
    let trailer: string | null = null
    for (let id = 0; id < 4; id++) {
      const order = await service.get({ id }, { onTrailer: (trailers) => (trailer = trailers.get('x-task')) })
      expect(order.id).toBe(id)
      expect(trailer).toBe(order.task)
      answered.add(order.task)
    }
    expect([...answered].toSorted()).toEqual(['127.0.1.1', '127.0.1.2'])
  })

  test('unary, with a message that is longer than what a stream would keep', async () => {
    const service = await open()
    const payload = Buffer.alloc(300_000, 'x')
    expect(Buffer.from((await service.place({ id: 1, payload })).payload).equals(payload)).toBe(true)
  })

  test('compressed', async () => {
    const service = await open({}, { acceptCompression: [compressionGzip], sendCompression: compressionGzip })
    const payload = Buffer.alloc(100_000, 'x')
    expect(Buffer.from((await service.place({ id: 1, payload })).payload).equals(payload)).toBe(true)
  })

  test('in JSON', async () => {
    const service = await open({}, { useBinaryFormat: false })
    expect(await service.get({ id: 7 })).toMatchObject({ id: 7 })
  })

  test('a stream of the server', async () => {
    const service = await open()
    const list = await collect(service.list({ count: 50, size: 1_000 }))
    expect(list.map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_, id) => id))
    expect(await collect(service.list({ count: 0 }))).toEqual([])
  })

  test('a stream of the client', async () => {
    const service = await open()
    expect((await service.sum(orders(100, 1_000))).id).toBe(5_050)
    expect((await service.sum(orders(0))).id).toBe(0)
  })

  test.skipIf(world === 'http')('streams of both, message by message', async () => {
    const service = await open()
    const { promise: next, resolve: answered } = Promise.withResolvers<void>()
    const seen: number[] = []
    // The second message is sent when the first one has come back.
    async function* inTurn(): AsyncGenerator<Partial<Order>> {
      yield { id: 1 }
      await next
      yield { id: 2 }
    }
    for await (const { id } of service.echo(inTurn())) {
      seen.push(id)
      answered()
    }
    expect(seen).toEqual([1, 2])
  })

  test('an error of the server keeps its code, message and metadata', async () => {
    const service = await open()
    for (const task of tasks) await task.set({ code: 9, pushback: '-1' })
    const failure = (call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => undefined,
        (error: unknown) => error,
      )
    try {
      const calls = [service.get({ id: 1 }), service.sum(orders(2)), collect(service.list({ count: 1 }))]
      for (const error of await Promise.all(calls.map(failure))) {
        expect(error).toMatchObject({ name: 'ConnectError', code: 9, rawMessage: 'as the test wants it' })
      }
      expect(await failure(service.get({ id: 1 }))).toMatchObject({
        metadata: expect.any(Headers) as Headers,
      })
    } finally {
      for (const task of tasks) await task.set({})
    }
  })

  test('the deadline of a call: the server has it, and the caller its error', async () => {
    const service = await open()
    const begun = performance.now()
    const { payload } = await service.get({ id: 1 }, { timeoutMs: 60_000 })
    const leftMs = Number(Buffer.from(payload).toString())
    expect(leftMs).toBeLessThanOrEqual(60_000)
    // What has passed by then is no more than the whole call took; gRPC rounds to milliseconds.
    expect(leftMs).toBeGreaterThanOrEqual(Math.floor(60_000 - (performance.now() - begun)) - 1)
    for (const task of tasks) await task.set({ delayMs: 500 })
    try {
      await expect(service.get({ id: 1 }, { timeoutMs: 80 })).rejects.toMatchObject({
        name: 'ConnectError',
        code: 4,
      })
      await expect(collect(service.list({ count: 1 }, { timeoutMs: 80 }))).rejects.toMatchObject({ code: 4 })
    } finally {
      for (const task of tasks) await task.set({})
    }
  })

  test('an abort is an error at once', async () => {
    const service = await open()
    for (const task of tasks) await task.set({ delayMs: 500 })
    try {
      const abort = new AbortController()
      const call = service.get({ id: 1 }, { signal: abort.signal })
      setTimeout(() => abort.abort(), 30)
      await expect(call).rejects.toMatchObject({ name: 'ConnectError', code: 1 })
      await expect(service.get({ id: 1 }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 1 })
    } finally {
      for (const task of tasks) await task.set({})
    }
  })

  test('a slow reader holds the server back', async () => {
    const service = await open()
    const before = (await Promise.all(tasks.map((task) => task.stats()))).reduce(
      (sum, { made }) => sum + made,
      0,
    )
    const stream = service.list({ count: 150, size: 100_000 })[Symbol.asyncIterator]()
    await stream.next()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const made = (await Promise.all(tasks.map((task) => task.stats()))).reduce(
      (sum, one) => sum + one.made,
      -before,
    )
    expect(made).toBeLessThan(100)
    expect(await countRest(stream)).toBe(149)
  })
})
