/** Calls that wait for a connection which other calls of this client hold: in every way of speaking to a task. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { Client, ClientOptions, UpstreamInspection } from 'onehop'
import { manualClock, scriptedResolver, type ManualClock } from 'onehop/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clientOf } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import {
  originIn,
  poolIn,
  WorldServer,
  WORLDS,
  type World,
  type WorldAnswer,
} from '../../../support/transports/worlds.ts'

const { keep } = resources()

/** A task that answers when it is told to. */
class Task {
  readonly server: WorldServer
  readonly #held: (() => void)[]

  private constructor(server: WorldServer, held: (() => void)[]) {
    this.server = server
    this.#held = held
  }

  static async start(world: World, address = '127.0.1.1', port = 0): Promise<Task> {
    const held: (() => void)[] = []
    const answer: WorldAnswer = (request, response) => {
      request.resume()
      held.push(() => void response.end('ok'))
    }
    return new Task(keep(await WorldServer.start(world, answer, address, port)), held)
  }

  get waiting(): number {
    return this.#held.length
  }

  answer(): void {
    this.#held.shift()?.()
  }
}

/** HTTP/2 with one stream a connection has as little room as HTTP/1.1 with one connection. */
function oneAtATime(world: World): ReturnType<typeof poolIn> {
  return poolIn(world, {
    connections: 1,
    ...(world === 'h2' ? { h2Options: { maxConcurrentStreams: 1 } } : {}),
  })
}

function upstreams(client: Client, world: World): readonly UpstreamInspection[] {
  return client.inspect().services['orders.shop.local']?.origins[originIn(world)]?.upstreams ?? []
}

function cappedClient(
  tasks: readonly Task[],
  world: World,
  options: ClientOptions = {},
): [Client, ManualClock] {
  const clock = manualClock(1_000)
  const labels = tasks.map(({ server }) => server.label)
  return [keep(clientOf(labels, { clock, pool: oneAtATime(world), ...options })), clock]
}

async function textOf(call: ReturnType<Client['request']>): Promise<string> {
  const { body } = await call
  return body.text()
}

describe.each(WORLDS)('over %s, one connection to a task', (world) => {
  test.each(['GET', 'POST'])('each %s has its whole time, however long it waited before', async (method) => {
    const task = await Task.start(world)
    const [client, clock] = cappedClient([task], world, {
      timeouts: { attemptMs: 1_000, queueMs: 60_000 },
      retry: false,
    })
    const body = method === 'POST' ? 'pay' : null
    const calls = Array.from({ length: 6 }, () => textOf(client.request(originIn(world), { method, body })))
    for (let call = 0; call < calls.length; call++) {
      await expect.poll(() => task.waiting).toBe(1)
      await clock.advance(900)
      task.answer()
    }
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 6 }, () => 'ok'))
    expect(task.server.peak).toBe(1)
    expect(upstreams(client, world)[0]).toMatchObject({ state: 'available', failures: 0, requests: 6 })
    // What was waited for in the queue is not what the task took.
    expect(upstreams(client, world)[0]?.latencyMs).toBeLessThanOrEqual(900)
  })

  test('a call that waits too long says that no connection was free, and names the option', async () => {
    const task = await Task.start(world)
    const [client, clock] = cappedClient([task], world, { timeouts: { queueMs: 2_000 } })
    const first = textOf(client.request(originIn(world)))
    await expect.poll(() => task.waiting).toBe(1)
    const second = client
      .request(originIn(world), { method: 'POST', body: 'pay' })
      .catch((error: Error) => error)
    await clock.advance(1_999)
    expect(client.inspect().callsUnderWay).toBe(2)
    await clock.advance(1)
    expect(await second).toMatchObject({
      name: 'QueueTimeoutError',
      code: 'ONEHOP_QUEUE_TIMEOUT',
      host: 'orders.shop.local',
      upstream: task.server.label,
      message: expect.stringMatching(/nothing was sent .* within 2000 ms .*pool\.connections/) as string,
    })
    task.answer()
    expect(await first).toBe('ok')
    expect(task.server.seen).toEqual(['GET /'])
    expect(upstreams(client, world)[0]).toMatchObject({ state: 'available', failures: 0 })
  })

  test('a call that waits too long goes to another task, and the one that was full is not to blame', async () => {
    const full = await Task.start(world)
    const free = await Task.start(world, '127.0.1.2')
    const [client, clock] = cappedClient([full, free], world, {
      timeouts: { queueMs: 2_000 },
      balancer: { pick: ([first]) => first },
    })
    const first = textOf(client.request(originIn(world)))
    await expect.poll(() => full.waiting).toBe(1)
    const second = textOf(client.request(originIn(world), { method: 'POST', body: 'pay' }))
    await clock.advance(2_000)
    await expect.poll(() => free.waiting).toBe(1)
    free.answer()
    full.answer()
    expect(await Promise.all([first, second])).toEqual(['ok', 'ok'])
    expect(full.server.seen).toEqual(['GET /'])
    for (const upstream of upstreams(client, world))
      expect(upstream).toMatchObject({ state: 'available', failures: 0 })
  })

  test('response bodies that are not read make others wait, and blame no task', async () => {
    let open: (() => void) | undefined
    const answer: WorldAnswer = (request, response) => {
      request.resume()
      if (request.url === '/endless') {
        response.write('some')
        open = () => void response.end()
      } else response.end('ok')
    }
    const server = keep(await WorldServer.start(world, answer))
    const clock = manualClock(1_000)
    const client = keep(
      clientOf([server.label], { clock, pool: oneAtATime(world), timeouts: { attemptMs: 1_000 } }),
    )
    const unread = await client.request(`${originIn(world)}/endless`)
    const waiting = textOf(client.request(originIn(world)))
    await clock.advance(10_000)
    expect(server.seen).toEqual(['GET /endless'])
    expect(upstreams(client, world)[0]).toMatchObject({ state: 'available', failures: 0, pending: 2 })
    open?.()
    await unread.body.text()
    expect(await waiting).toBe('ok')
    expect(upstreams(client, world)[0]).toMatchObject({ state: 'available', failures: 0 })
    expect(server.peak).toBe(1)
  })

  test('a call that is aborted while it waits is not sent, costs no connection, and counts against no task', async () => {
    const task = await Task.start(world)
    const [client, clock] = cappedClient([task], world)
    const first = textOf(client.request(originIn(world)))
    await expect.poll(() => task.waiting).toBe(1)
    const abort = new AbortController()
    const aborted = Array.from({ length: 5 }, () =>
      client
        .request(`${originIn(world)}/aborted`, { signal: abort.signal })
        .catch((error: Error) => error.message),
    )
    const last = textOf(client.request(`${originIn(world)}/last`))
    await clock.advance(5_000)
    abort.abort(new Error('left'))
    expect(await Promise.all(aborted)).toEqual(Array.from({ length: 5 }, () => 'left'))
    task.answer()
    await expect.poll(() => task.waiting).toBe(1)
    task.answer()
    expect(await Promise.all([first, last])).toEqual(['ok', 'ok'])
    expect(task.server.seen).toEqual(['GET /', 'GET /last'])
    expect(task.server.connections).toBe(1)
    expect(upstreams(client, world)[0]).toMatchObject({ state: 'available', failures: 0, pending: 0 })
  })

  test('the task gets the time that is left when the call is sent, not when it began to wait', async () => {
    const told: unknown[] = []
    const held: (() => void)[] = []
    const answer: WorldAnswer = (request, response) => {
      told.push(request.headers['x-left'])
      held.push(() => void response.end('ok'))
    }
    const server = keep(await WorldServer.start(world, answer))
    const clock = manualClock(1_000)
    const client = keep(
      clientOf([server.label], { clock, pool: oneAtATime(world), deadlineHeader: 'x-left' }),
    )
    const calls = Array.from({ length: 2 }, () =>
      textOf(client.request(originIn(world), { deadlineMs: 10_000 })),
    )
    await expect.poll(() => held.length).toBe(1)
    await clock.advance(4_000)
    held[0]?.()
    await expect.poll(() => held.length).toBe(2)
    held[1]?.()
    await Promise.all(calls)
    expect(told).toEqual(['10000', '6000'])
  })

  test('destroy() ends those that wait', async () => {
    const task = await Task.start(world)
    const [client] = cappedClient([task], world)
    const calls = Array.from({ length: 3 }, () =>
      client.request(originIn(world)).catch((error: Error) => error),
    )
    await expect.poll(() => task.waiting).toBe(1)
    await client.dispatcher.destroy()
    for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(Error)
    expect(client.inspect().callsUnderWay).toBe(0)
    expect(task.server.seen).toHaveLength(1)
  })

  test('a task that leaves discovery still gets the calls that wait for its connection', async () => {
    const task = await Task.start(world)
    const other = await Task.start(world, '127.0.1.2')
    const clock = manualClock(1_000)
    const discovery = scriptedResolver(clock, [task.server.label], 1_000)
    const client = keep(clientOf([], { clock, discovery, pool: oneAtATime(world) }))
    const calls = Array.from({ length: 2 }, () => textOf(client.request(originIn(world))))
    await expect.poll(() => task.waiting).toBe(1)
    discovery.answer([other.server.label])
    await clock.advance(2_000)
    const third = textOf(client.request(originIn(world)))
    await expect.poll(() => other.waiting).toBe(1)
    other.answer()
    task.answer()
    await expect.poll(() => task.waiting).toBe(1)
    task.answer()
    expect(await Promise.all([...calls, third])).toEqual(['ok', 'ok', 'ok'])
    expect(task.server.peak).toBe(1)
  })
})

/** Takes connections and says nothing: TLS is never made. */
async function silentTask(address: string): Promise<{ label: string; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { label: `${address}:${(server.address() as AddressInfo).port}`, sockets }
}

/** What is under way before time moves on: each call has a connection, the two of them, or the session. */
describe.each([
  ['https', {}, Infinity],
  ['https', { connections: 2 }, 2],
  ['h2', {}, 1],
  ['h2', { connections: 2 }, 1],
] as const)('over %s, with %o, a task that makes no connection', (world, pool, most) => {
  test('delays no call by more than connectMs, however many calls wait for it', async () => {
    const silent = await silentTask('127.0.1.1')
    const good = keep(
      await WorldServer.start(world, (_request, response) => void response.end('ok'), '127.0.1.2'),
    )
    const clock = manualClock(1_000)
    const client = keep(
      clientOf([silent.label, good.label], {
        clock,
        pool: poolIn(world, pool),
        timeouts: { connectMs: 1_000 },
        retry: { baseMs: 0 },
        balancer: { pick: (candidates) => candidates[0] as never },
      }),
    )
    const calls = Array.from({ length: 20 }, () =>
      textOf(client.request(originIn(world), { method: 'POST', body: 'pay' })),
    )
    await expect.poll(() => silent.sockets.size).toBe(Math.min(most, 20))
    await clock.advance(1_000)
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 20 }, () => 'ok'))
    expect(upstreams(client, world)[0]).toMatchObject({ state: 'ejected', cause: 'refuses' })
  })

  test.each([
    ['late', 600, 'ejected'],
    ['early', 400, 'available'],
  ] as const)('is known by callers who leave %s', async (_when, afterMs, state) => {
    const silent = await silentTask('127.0.1.1')
    const clock = manualClock(1_000)
    const client = keep(
      clientOf([silent.label], { clock, pool: poolIn(world, pool), timeouts: { connectMs: 1_000 } }),
    )
    const abort = new AbortController()
    const calls = Array.from({ length: 5 }, () =>
      client.request(originIn(world), { signal: abort.signal }).catch((error: Error) => error.message),
    )
    await expect.poll(() => silent.sockets.size).toBe(Math.min(most, 5))
    await clock.advance(afterMs)
    abort.abort(new Error('left'))
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 5 }, () => 'left'))
    expect(upstreams(client, world)[0]?.state).toBe(state)
  })
})

test('an abort early in connecting counts against no task, however long the call waited in the queue', async () => {
  const held: (() => void)[] = []
  const answer: WorldAnswer = (_request, response) => {
    response.setHeader('connection', 'close')
    held.push(() => void response.end('ok'))
  }
  const server = keep(await WorldServer.start('http', answer))
  const clock = manualClock(1_000)
  const connector = buildConnector({})
  let connections = 0
  const client = keep(
    clientOf([server.label], {
      clock,
      // The first one is made; the second gets no answer.
      pool: {
        connections: 1,
        connect: (options, callback) => {
          if (++connections === 1) connector(options, callback)
        },
      },
    }),
  )
  const abort = new AbortController()
  const first = textOf(client.request(originIn('http')))
  await expect.poll(() => held.length).toBe(1)
  // The second gets the connection that is being made, the third waits behind it.
  const others = Array.from({ length: 2 }, () =>
    client.request(originIn('http'), { signal: abort.signal }).catch((error: Error) => error.message),
  )
  await clock.advance(5_000)
  held[0]?.()
  expect(await first).toBe('ok')
  await expect.poll(() => connections).toBe(2)
  await expect.poll(() => server.sockets.size).toBe(0)
  abort.abort(new Error('left'))
  expect(await Promise.all(others)).toEqual(['left', 'left'])
  expect(upstreams(client, 'http')[0]).toMatchObject({ state: 'available', failures: 0 })
})

test.each([
  [100, 'ONEHOP_QUEUE_TIMEOUT', { state: 'available', failures: 0 }],
  [600, 'ONEHOP_ATTEMPTS_EXHAUSTED', { state: 'ejected', cause: 'refuses' }],
] as const)(
  'with a queueMs of %i, a connection that is not made within it ends with %s',
  async (queueMs, code, state) => {
    const clock = manualClock(1_000)
    let connections = 0
    const client = keep(
      clientOf(['127.0.1.1:80'], {
        clock,
        pool: { connections: 1, connect: () => void connections++ },
        timeouts: { connectMs: 1_000, queueMs },
        retry: { attempts: 1 },
      }),
    )
    const calls = Array.from({ length: 2 }, () =>
      client.request(originIn('http')).catch((error: Error) => error),
    )
    await expect.poll(() => connections).toBe(1)
    await clock.advance(queueMs)
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code })
    expect(upstreams(client, 'http')[0]).toMatchObject(state)
  },
)

test('sockets to a task stay within connections also where a last attempt wants new ones', async () => {
  const tasks: WorldServer[] = []
  const answer: WorldAnswer = (request, response) => {
    if (request.url === '/breaks') request.socket.destroy()
    else response.end('ok')
  }
  for (let task = 1; task <= 3; task++)
    tasks.push(keep(await WorldServer.start('http', answer, `127.0.1.${task}`)))
  const open: Socket[] = []
  const peaks = new Map<unknown, number>()
  const connector = buildConnector({})
  const client = keep(
    clientOf(tasks, {
      pool: {
        connections: 1,
        connect: (options, callback) => {
          const socket = connector(options, callback) as unknown as Socket
          open.push(Object.assign(socket, { task: options.hostname }))
          const there = open.filter((each) => !each.destroyed && (each as never)['task'] === options.hostname)
          peaks.set(options.hostname, Math.max(peaks.get(options.hostname) ?? 0, there.length))
        },
      },
      retry: { baseMs: 0 },
    }),
  )
  const get = (path: string): Promise<string> =>
    textOf(client.request(`${originIn('http')}${path}`)).catch(
      (error: NodeJS.ErrnoException) => error.code ?? '',
    )
  for (let round = 0; round < 5; round++) {
    await Promise.all(['/', '/', '/', '/', '/breaks', '/', '/', '/'].map(get))
  }
  expect([...peaks.values()]).toEqual([1, 1, 1])
  // Connections were lost, and made anew.
  expect(open.length).toBeGreaterThan(3)
})
