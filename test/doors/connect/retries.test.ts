/** What happens to calls of Connect when tasks fail: retries, health, cancellation. */
import { createServer as createHttp2Server } from 'node:http2'
import { onEvent, type Client, type ClientOptions } from 'onehop'
import { grpcClassify, universalClient } from 'onehop/connect'
import { Agent } from 'undici'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { patientClientOf as clientOf } from '../patient-client.ts'
import { LoopbackServer } from '../../support/loopback-server.ts'
import { collect, connect, ordersOver, type Order, type Orders, type Protocol } from './connect.ts'
import { startTasks, type Task } from './tasks.ts'
import type { TaskWorld } from './task.ts'

const H2C = { allowH2: true, h2Options: { useH2c: true } }
const BASE = 'http://orders.shop.local'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const resource of open.splice(0).toReversed()) await resource[Symbol.asyncDispose]()
})

async function tasksIn(world: TaskWorld, count: number): Promise<Task[]> {
  const tasks = await startTasks(world, count)
  open.push(...tasks)
  return tasks
}

interface Opened {
  readonly client: Client
  readonly service: Orders
}

async function over(
  protocol: Protocol,
  tasks: readonly { readonly label: string }[],
  options: ClientOptions = {},
  more: object = {},
): Promise<Opened> {
  const client = clientOf(tasks, { classify: grpcClassify, pool: H2C, ...options })
  open.push(client)
  return {
    client,
    service: await ordersOver(protocol, { baseUrl: BASE, dispatcher: client.dispatcher, more }),
  }
}

/** A server that answers each call of gRPC without a message, as most servers do that fail at once. */
async function trailersOnly(address: string, headers: object): Promise<{ label: string; calls: string[] }> {
  const http2 = createHttp2Server()
  const calls: string[] = []
  http2.on('session', (session) => session.on('error', () => undefined))
  http2.on('stream', (stream, { ':path': path }) => {
    calls.push(String(path))
    stream.on('error', () => undefined).resume()
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc+proto', ...headers },
      { endStream: true },
    )
  })
  const server = await new LoopbackServer(http2).listen(address)
  onTestFinished(() => server.kill())
  return { label: server.label, calls }
}

function ejected(): string[] {
  const reasons: string[] = []
  onTestFinished(onEvent('onehop:upstream.ejected', ({ reason }) => reasons.push(reason)))
  return reasons
}

describe('gRPC', () => {
  test('a call without side effects goes to another task after UNAVAILABLE, one that writes does not', async () => {
    const bad = await trailersOnly('127.0.1.9', { 'grpc-status': '14', 'grpc-message': 'not%20now' })
    const [good] = await tasksIn('h2c', 1)
    const { service } = await over('grpc', [bad, good as Task])
    expect(await service.get({ id: 3 })).toMatchObject({ id: 3, task: good?.address })
    const writes = await Promise.allSettled([service.place({ id: 1 }), service.place({ id: 2 })])
    expect(writes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    const failed = writes.find((result) => result.status === 'rejected')
    expect(failed?.reason).toBeInstanceOf(connect.ConnectError)
    expect(failed?.reason).toMatchObject({ code: 14, rawMessage: 'not now' })
    // One connection: the end of such an answer does not cost it.
    expect(bad.calls).toHaveLength(2)
  })

  test('a server that wants no retry gets none', async () => {
    const bad = await trailersOnly('127.0.1.9', { 'grpc-status': '14', 'grpc-retry-pushback-ms': '-1' })
    const [good] = await tasksIn('h2c', 1)
    const { service } = await over('grpc', [bad, good as Task])
    await expect(service.get({ id: 3 })).rejects.toMatchObject({ code: 14 })
  })

  test('a task whose calls fail in trailers is ejected, by the reason that gRPC has', async () => {
    const reasons = ejected()
    const tasks = await tasksIn('h2c', 4)
    await tasks[0]?.set({ code: 13 })
    const { service } = await over('grpc', tasks)
    let failures = 0
    for (let id = 0; id < 60; id++) await service.get({ id }).catch(() => failures++)
    expect(reasons).toEqual([expect.stringContaining('grpc-status 13 (INTERNAL)')])
    expect(failures).toBeLessThan(10)
  })

  test('one that answers with errors of the application is not', async () => {
    const reasons = ejected()
    const tasks = await tasksIn('h2c', 2)
    await tasks[0]?.set({ code: 5 })
    const { service } = await over('grpc', tasks)
    for (let id = 0; id < 40; id++) await service.get({ id }).catch(() => undefined)
    expect(reasons).toEqual([])
  })

  test('without a task, calls are unavailable', async () => {
    const { service } = await over('grpc', [], { timeouts: { connectMs: 200 } })
    for (const call of [service.get({ id: 1 }), collect(service.list({ count: 1 }))]) {
      await call.catch((error: unknown) => {
        expect(error).toBeInstanceOf(connect.ConnectError)
        expect(error).toMatchObject({
          code: 14,
          rawMessage: expect.stringContaining('ONEHOP_NO_ENDPOINTS') as string,
        })
        expect((error as { findDetails(): unknown }).findDetails()).toEqual([])
      })
    }
    expect.assertions(6)
  })

  test('beyond maxPending, resources are exhausted', async () => {
    const tasks = await tasksIn('h2c', 1)
    await tasks[0]?.set({ delayMs: 300 })
    const { service } = await over('grpc', tasks, { maxPending: { perOrigin: 1 } })
    const first = service.get({ id: 1 })
    await expect(service.get({ id: 2 })).rejects.toMatchObject({ code: 8 })
    expect(await first).toMatchObject({ id: 1 })
  })

  test('a stream may be silent for longer than attemptMs, a single call may not', async () => {
    const tasks = await tasksIn('h2c', 1)
    const { service } = await over('grpc', tasks, { timeouts: { attemptMs: 150 }, retry: false })
    async function* slowly(): AsyncGenerator<Partial<Order>> {
      yield { id: 1 }
      await new Promise((resolve) => setTimeout(resolve, 400))
      yield { id: 2 }
    }
    expect(await service.sum(slowly())).toMatchObject({ id: 3 })
    expect(await collect(service.list({ count: 1, everyMs: 400 }))).toHaveLength(1)
    await tasks[0]?.set({ delayMs: 400 })
    await expect(service.get({ id: 1 })).rejects.toMatchObject({ code: 4 })
  })
})

describe('cancellation', () => {
  test('reaches the task while other streams go on, over the same connection', async () => {
    const [task] = await tasksIn('h2c', 1)
    const { client, service } = await over('grpc', [task as Task])
    const other = service.list({ count: 10_000, everyMs: 10 })[Symbol.asyncIterator]()
    await other.next()
    for await (const { id } of service.list({ count: 10_000, everyMs: 10 })) if (id === 2) break
    const abort = new AbortController()
    async function* unended(): AsyncGenerator<Partial<Order>> {
      yield { id: 1 }
      await new Promise(() => undefined)
    }
    const echo = service.echo(unended(), { signal: abort.signal })[Symbol.asyncIterator]()
    await echo.next()
    abort.abort()
    await expect(echo.next()).rejects.toMatchObject({ code: 1 })
    await task?.set({ delayMs: 600_000 })
    // Long enough for the task to see the call, on a busy machine, too.
    await expect(service.get({ id: 1 }, { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 4 })
    await expect.poll(async () => (await task?.stats())?.cancelled).toBe(3)
    expect(await task?.stats()).toMatchObject({ connections: 1 })
    expect((await other.next()).done).toBe(false)
    await other.return?.()
    await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
  })
})

describe('the Connect protocol', () => {
  test.each<[string, TaskWorld, object, readonly string[]]>([
    ['by POST over HTTP/1.1', 'http', {}, ['POST', 'POST']],
    ['by GET over HTTP/1.1', 'http', { useHttpGet: true }, ['GET', 'GET']],
    ['by GET over HTTP/2', 'h2c', { useHttpGet: true }, ['GET', 'GET']],
  ])(
    'a call without side effects is sent again after UNAVAILABLE, %s',
    async (_how, world, more, methods) => {
      const tasks = await tasksIn(world, 2)
      await tasks[0]?.set({ code: 14 })
      const { service } = await over('connect', tasks, { pool: world === 'h2c' ? H2C : {} }, more)
      expect(await service.get({ id: 3 })).toMatchObject({ id: 3, task: '127.0.1.2' })
      const stats = await Promise.all(tasks.map((task) => task.stats()))
      expect(stats.flatMap((one) => one.methods)).toEqual(methods)
      const writes = await Promise.allSettled([service.place({ id: 1 }), service.place({ id: 2 })])
      expect(writes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    },
  )

  test('the interceptor alone says that a POST may be sent again', async () => {
    const tasks = await tasksIn('http', 2)
    await tasks[0]?.set({ code: 14 })
    const { service } = await over('connect', tasks, { pool: {} }, { interceptors: [] })
    const calls = await Promise.allSettled([service.get({ id: 1 }), service.get({ id: 2 })])
    expect(calls.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })
})

test('universalClient takes any dispatcher of undici', async () => {
  const [task] = await tasksIn('http', 1)
  await using agent = Object.assign(new Agent(), { [Symbol.asyncDispose]: () => agent.close() })
  const service = await ordersOver('connect', {
    baseUrl: `http://${task?.label}`,
    dispatcher: agent,
    more: { httpClient: universalClient(agent), interceptors: [] },
  })
  expect(await service.get({ id: 1 })).toMatchObject({ id: 1, task: '127.0.1.1' })
})
