import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import http, { type AgentOptions, type ClientRequest } from 'node:http'
import type net from 'node:net'
import { promisify } from 'node:util'
import { roundRobin, type Client, type ClientOptions } from 'onehop'
import { OnehopHttpAgent } from 'onehop/http'
import { manualClock } from 'onehop/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { compute } from '../../support/compute.ts'
import { eventsOf } from '../../support/events.ts'
import { isCollected } from '../../support/garbage.ts'
import { answered } from '../../support/http-requests.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress, TestServer } from '../../support/servers.ts'

const { keep, servers } = resources()
/** For connections that are to be in the making for as long as a test needs. */
const PATIENT = { timeouts: { connectMs: 120_000 } }
const agents: http.Agent[] = []
afterEach(() => {
  for (const agent of agents.splice(0)) agent.destroy()
})

function agentOf(client: Client, options?: AgentOptions): OnehopHttpAgent {
  const agent = new OnehopHttpAgent(client, options)
  agents.push(agent)
  return agent
}

function world(
  answer: Parameters<typeof clientOf>[0],
  options: ClientOptions = {},
  agentOptions?: AgentOptions,
): { client: ReturnType<typeof clientOf>; agent: OnehopHttpAgent } {
  const client = keep(clientOf(answer, options))
  return { client, agent: agentOf(client, agentOptions) }
}

/** An address where SYNs are dropped. */
async function silentAddress(): Promise<string> {
  const label = await refusingAddress('127.0.1.9')
  keep(await BlackHole.start('127.0.1.9', Number(label.split(':')[1])))
  return label
}

function upstream(client: Client, label: string) {
  const [origin] = Object.values(client.inspect().services['orders.shop.local']?.origins ?? {})
  return origin?.upstreams.find((known) => known.upstream === label)
}

function underWay(client: Client): number {
  return client.inspect().callsUnderWay
}

/** How many sockets the agent counts that it neither uses nor keeps. */
function miscounted(agent: http.Agent): number {
  const { totalSocketCount } = agent as unknown as { totalSocketCount: number }
  const sockets = [agent.sockets, agent.freeSockets].flatMap((sets) => Object.values(sets).flat())
  return totalSocketCount - sockets.length
}

/** Unlike `once` of node:events it does not reject with an error of the request. */
function closeOf(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => request.once('close', () => resolve()))
}

async function soon<Value>(read: () => Value, expected: Value): Promise<void> {
  await expect.poll(read, { interval: 5 }).toEqual(expected)
}

describe('picks', () => {
  test('a task per request, over connections that are kept per task', async () => {
    const tasks = await servers(3)
    const { agent } = world(tasks)
    const labels: string[] = []
    for (let count = 0; count < 9; count++) labels.push((await answered(http.get(ORIGIN, { agent }))).text)
    expect(labels).toEqual([1, 2, 3].flatMap(() => tasks.map(({ label }) => label)))
    expect(tasks.map(({ sockets }) => sockets.size)).toEqual([1, 1, 1])
  })

  test('the caller’s name is in Host, and the path and body are its own', async () => {
    const [task] = await servers(1)
    const { agent } = world([task as TestServer])
    await answered(http.request(`${ORIGIN}/v1?x=1`, { agent, method: 'POST' }), 'body')
    await answered(http.get(ORIGIN, { agent, headers: { host: 'another.example' } }))
    await answered(http.get(ORIGIN, { agent, headers: ['host', 'listed.example'] as never }))
    expect(task?.seen).toMatchObject([
      { method: 'POST', url: '/v1?x=1', body: 'body', headers: { host: 'orders.shop.local' } },
      { headers: { host: 'another.example' } },
      { headers: { host: 'listed.example' } },
    ])
  })

  test('by the port of the URL, where it has one', async () => {
    const [task] = await servers(1)
    const { agent } = world(['127.0.1.1:1'])
    const { text } = await answered(http.get(`${ORIGIN}:${task?.port}`, { agent }))
    expect(text).toBe(task?.label)
    expect(task?.seen[0]?.headers.host).toBe(`orders.shop.local:${task?.port}`)
  })

  test('waits for discovery, and 20 requests make one lookup', async () => {
    const tasks = await servers(2)
    const known = Promise.withResolvers<string[]>()
    const { client, agent } = world(known.promise)
    const calls = Array.from({ length: 20 }, () => answered(http.get(ORIGIN, { agent })))
    await new Promise((resolve) => setTimeout(resolve, 20))
    known.resolve(tasks.map(({ label }) => label))
    const labels = new Set((await Promise.all(calls)).map(({ text }) => text))
    expect(labels.size).toBe(2)
    expect(client.resolver.lookups).toHaveLength(1)
    await soon(() => underWay(client), 0)
  })

  test('an agent with defaults of Node serves, too: one connection for each request', async () => {
    const [task] = await servers(1)
    const { agent } = world([task as TestServer], {}, { keepAlive: false })
    for (let count = 0; count < 3; count++) await answered(http.get(ORIGIN, { agent }))
    await soon(() => task?.sockets.size, 0)
    expect(task?.seen.map(({ headers }) => headers.connection)).toEqual(['close', 'close', 'close'])
  })

  test('maxSockets holds per task, also while connections are made', async () => {
    let most = 0
    const [one, two] = (await servers(2, (_request, response) => {
      most = Math.max(most, one.sockets.size, two.sockets.size)
      setTimeout(() => response.end('ok'), 5)
    })) as [TestServer, TestServer]
    const { client, agent } = world([one, two], {}, { maxSockets: 2 })
    await Promise.all(Array.from({ length: 40 }, () => answered(http.get(ORIGIN, { agent }))))
    expect(most).toBe(2)
    expect([one, two].map(({ seen }) => seen.length)).toEqual([20, 20])
    await soon(() => underWay(client), 0)
    expect(miscounted(agent)).toBe(0)
  })

  test('refuses what is not a client', () => {
    expect(() => new OnehopHttpAgent(undefined as never)).toThrow('client: got undefined')
    expect(() => new OnehopHttpAgent({} as never)).toThrow('as createClient returns it')
  })
})

describe('a connection that cannot be made', () => {
  test.each(['GET', 'POST'])('goes to another task, for %s', async (method) => {
    const [task] = await servers(1)
    const dead = await refusingAddress()
    const { client, agent } = world([dead, task?.label as string])
    const ejected = eventsOf('onehop:upstream.ejected')
    const retried = eventsOf('onehop:call.retried')
    const { text } = await answered(
      http.request(ORIGIN, { agent, method }),
      method === 'POST' ? 'x' : undefined,
    )
    expect(text).toBe(task?.label)
    expect(ejected).toMatchObject([{ upstream: dead }])
    expect(retried).toMatchObject([{ method, upstream: dead, attempt: 1 }])
    expect(task?.seen).toHaveLength(1)
    await soon(() => underWay(client), 0)
    expect(miscounted(agent)).toBe(0)
    expect(Object.keys(agent.requests)).toEqual([])
  })

  test('goes to another task after connectMs, if nothing answers', async () => {
    const [task] = await servers(1)
    const silent = await silentAddress()
    const { agent } = world([silent, task?.label as string], { timeouts: { connectMs: 150 } })
    const { text } = await answered(http.get(ORIGIN, { agent }))
    expect(text).toBe(task?.label)
  })

  test('goes to another task after tcpConnectMs, if not even TCP answers', async () => {
    const [task] = await servers(1)
    const silent = await silentAddress()
    const timeouts = { connectMs: 60_000, tcpConnectMs: 150 }
    const { agent } = world([silent, task?.label as string], { timeouts })
    const { text } = await answered(http.get(ORIGIN, { agent }))
    expect(text).toBe(task?.label)
  })

  test.each([
    ['half of tcpConnectMs, the task is ejected', 30_000, 'ejected'],
    ['less than that, the task stays', 29_999, 'available'],
  ])('that its caller ends after %s', async (_what, ms, state) => {
    const silent = await silentAddress()
    const clock = manualClock()
    const timeouts = { connectMs: 120_000, tcpConnectMs: 60_000 }
    const { client, agent } = world([silent], { clock, timeouts, retry: false })
    const aborter = new AbortController()
    const call = answered(http.get(ORIGIN, { agent, signal: aborter.signal }))
    const failed = expect(call).rejects.toMatchObject({ name: 'AbortError' })
    await soon(() => Object.values(agent.sockets).flat().length, 1)
    await clock.advance(ms)
    aborter.abort()
    await failed
    expect(upstream(client, silent)).toMatchObject({ state })
  })

  test('has its time from the SYN on, whatever this process computes before', async () => {
    const { agent } = world([await silentAddress()], { retry: false, timeouts: { tcpConnectMs: 100 } })
    const failure = (): Promise<unknown> => answered(http.get(ORIGIN, { agent })).catch((error) => error)
    await failure()
    const failed = failure()
    compute(150)
    const computedAt = performance.now()
    expect(await failed).toMatchObject({ code: 'ETIMEDOUT' })
    expect(performance.now() - computedAt).toBeGreaterThan(99)
  })

  test('fails with Node’s own error when no other task is left', async () => {
    const dead = [await refusingAddress('127.0.1.201'), await refusingAddress('127.0.1.202')]
    const { client, agent } = world(dead)
    const error = await answered(http.get(ORIGIN, { agent })).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' })
    await soon(() => underWay(client), 0)
  })

  test('is reported once, also where the caller then ends the request, as got does', async () => {
    const { client, agent } = world([await refusingAddress()])
    const request = http.get(ORIGIN, { agent })
    const errors: Error[] = []
    request.on('error', (error) => {
      errors.push(error)
      request.destroy()
    })
    await closeOf(request)
    await soon(() => underWay(client), 0)
    expect(errors).toEqual([expect.objectContaining({ code: 'ECONNREFUSED' })])
  })

  test('is not retried with retry: false', async () => {
    const [task] = await servers(1)
    const { agent } = world([await refusingAddress(), task?.label as string], { retry: false })
    await expect(answered(http.get(ORIGIN, { agent }))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect((await answered(http.get(ORIGIN, { agent }))).text).toBe(task?.label)
  })

  test('does not stop requests that wait for it: each goes elsewhere', async () => {
    const [task] = await servers(1)
    const { client, agent } = world([await refusingAddress(), task?.label as string], {}, { maxSockets: 1 })
    const texts = await Promise.all(Array.from({ length: 12 }, () => answered(http.get(ORIGIN, { agent }))))
    expect(texts.map(({ text }) => text)).toEqual(texts.map(() => task?.label))
    await soon(() => underWay(client), 0)
    expect(Object.keys(agent.requests)).toEqual([])
  })

  test.each(['maxSockets', 'maxTotalSockets'])('fails all that wait, with %s and one task', async (limit) => {
    const { client, agent } = world([await refusingAddress()], {}, { [limit]: 1 })
    const calls = Array.from({ length: 5 }, () => answered(http.get(ORIGIN, { agent })))
    for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected')
    expect(Object.keys(agent.requests)).toEqual([])
    await soon(() => underWay(client), 0)
  })

  test('the same with maxTotalSockets', async () => {
    const [task] = await servers(1)
    const { agent } = world([await refusingAddress(), task?.label as string], {}, { maxTotalSockets: 1 })
    const texts = await Promise.all(Array.from({ length: 12 }, () => answered(http.get(ORIGIN, { agent }))))
    expect(texts).toHaveLength(12)
  })
})

describe('the load balancer', () => {
  test.each(['body', Buffer.from('body')])(
    'is called by its own name, also by a request whose headers are stored already: %s',
    async (sent) => {
      const balancer = keep(await new TestServer().listen('127.0.1.250'))
      const { client, agent } = world([await refusingAddress()], {
        fallback: `http://127.0.1.250:${balancer.port}`,
      })
      const name = `127.0.1.250:${balancer.port}`
      // The first is refused by the task, while its headers wait; the next picks the load balancer at once.
      await answered(http.request(ORIGIN, { agent, method: 'POST' }), sent)
      await answered(http.get(ORIGIN, { agent }))
      await answered(http.request(ORIGIN, { agent, method: 'PUT', headers: { 'x-a': 'host: no' } }), 'more')
      expect(balancer.seen.map(({ headers }) => headers.host)).toEqual([name, name, name])
      expect(balancer.seen.map(({ body }) => body)).toEqual(['body', '', 'more'])
      await soon(() => underWay(client), 0)
    },
  )

  test('has its own name for itself: a task that is called after it gets the service’s', async () => {
    const [task] = (await servers(1)) as [TestServer]
    const balancer = await refusingAddress('127.0.1.250')
    // Half of the tasks are ejected for as long as the clock stands, so that it is picked first for some requests.
    const { client, agent } = world([await refusingAddress(), task.label], {
      clock: manualClock(),
      fallback: `http://${balancer}`,
    })
    const isRefused = (): boolean => upstream(client, balancer)?.state === 'ejected'
    for (let sent = 0; sent < 200 && !isRefused(); sent++) {
      const { text } = await answered(http.request(ORIGIN, { agent, method: 'POST' }), 'stored')
      expect(text).toBe(task.label)
    }
    expect(isRefused()).toBe(true)
    expect(new Set(task.seen.map(({ headers }) => headers.host))).toEqual(new Set(['orders.shop.local']))
  })

  test('is called by the name of the service with host: preserve', async () => {
    const balancer = keep(await new TestServer().listen('127.0.1.250'))
    const url = `http://127.0.1.250:${balancer.port}`
    const { agent } = world([], { fallback: { url, host: 'preserve' } })
    await answered(http.get(ORIGIN, { agent, headers: { host: 'own.example' } }))
    await answered(http.get(ORIGIN, { agent }))
    expect(balancer.seen.map(({ headers }) => headers.host)).toEqual(['own.example', 'orders.shop.local'])
  })
})

describe('outcomes', () => {
  test('responses count, by their status', async () => {
    const [task] = await servers(1, (_request, response) => void response.writeHead(503).end())
    const { client, agent } = world([task as TestServer])
    for (let count = 0; count < 3; count++) await answered(http.get(ORIGIN, { agent }))
    await soon(
      () => upstream(client, task?.label as string),
      expect.objectContaining({ requests: 3, failures: 3, pending: 0 }),
    )
  })

  test('a response that is not read is discarded, and its task has no pending call', async () => {
    const [task] = await servers(1, (_request, response) => void response.end('x'.repeat(1_000_000)))
    const { client, agent } = world([task as TestServer])
    const request = http.request(ORIGIN, { agent })
    expect([request.listenerCount('response'), request.listenerCount('error')]).toEqual([0, 0])
    request.end()
    await once(request, 'close')
    expect(upstream(client, task?.label as string)).toMatchObject({ requests: 1, failures: 0, pending: 0 })
  })

  test('a connection that breaks counts as failed, and its error is the caller’s', async () => {
    const [task] = await servers(1, (request) => void request.socket.destroy())
    const { client, agent } = world([task as TestServer])
    await expect(answered(http.get(ORIGIN, { agent }))).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(task?.seen).toHaveLength(1)
    await soon(
      () => upstream(client, task?.label as string),
      expect.objectContaining({ failures: 1, pending: 0 }),
    )
  })

  test('an abort by the caller does not count as a failure of the task', async () => {
    const [task] = await servers(1, () => undefined)
    const { client, agent } = world([task as TestServer])
    const aborter = new AbortController()
    const call = answered(http.get(ORIGIN, { agent, signal: aborter.signal }))
    await soon(() => task?.seen.length, 1)
    aborter.abort()
    await expect(call).rejects.toMatchObject({ name: 'AbortError' })
    await soon(() => upstream(client, task?.label as string)?.pending, 0)
    expect(upstream(client, task?.label as string)).toMatchObject({ failures: 0 })
  })

  test.each([
    ['in the same tick', undefined],
    ['while its task works', 20],
  ])('an abort of a request on a kept connection is no failure of the task: %s', async (_when, afterMs) => {
    const [task] = await servers(1)
    const { client, agent } = world([task as TestServer])
    await answered(http.get(ORIGIN, { agent }))
    await soon(() => Object.keys(agent.freeSockets).length, 1)
    ;(task as TestServer).answer = () => undefined
    const request = http.get(ORIGIN, { agent })
    expect(request.reusedSocket).toBe(true)
    const call = answered(request)
    if (afterMs !== undefined) await new Promise((resolve) => setTimeout(resolve, afterMs))
    request.destroy()
    await expect(call).rejects.toMatchObject({ code: 'ECONNRESET' })
    await soon(() => underWay(client), 0)
    expect(upstream(client, task?.label as string)).toMatchObject({ failures: 0, pending: 0 })
    expect(miscounted(agent)).toBe(0)
  })

  test('agent.destroy() during requests does not count as a failure of the tasks', async () => {
    const [task] = await servers(1, () => undefined)
    const { client, agent } = world([task as TestServer])
    const call = answered(http.get(ORIGIN, { agent }))
    await soon(() => task?.seen.length, 1)
    agent.destroy()
    await expect(call).rejects.toMatchObject({ code: 'ECONNRESET' })
    await soon(() => underWay(client), 0)
    expect(upstream(client, task?.label as string)).toMatchObject({ failures: 0, pending: 0 })
  })

  test('a task that announces its end gets no more requests', async () => {
    const [leaving, staying] = (await servers(2)) as [TestServer, TestServer]
    leaving.answer = (_request, response) =>
      void response.writeHead(200, { connection: 'close', 'x-onehop-draining': '1' }).end(leaving.label)
    const { agent } = world([leaving, staying])
    const labels: string[] = []
    for (let count = 0; count < 5; count++) labels.push((await answered(http.get(ORIGIN, { agent }))).text)
    expect(labels).toEqual([leaving.label, ...Array.from({ length: 4 }, () => staying.label)])
  })

  test('an upgrade is reported, and its socket is the caller’s', async () => {
    const server = http.createServer()
    server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: own\r\n\r\n')
      socket.pipe(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
    const { port } = server.address() as net.AddressInfo
    const { client, agent } = world([`127.0.1.1:${port}`])
    const request = http.get(ORIGIN, { agent, headers: { connection: 'Upgrade', upgrade: 'own' } })
    const [, socket] = (await once(request, 'upgrade')) as [unknown, net.Socket]
    socket.write('echo')
    expect(String((await once(socket, 'data'))[0])).toBe('echo')
    expect(socket.listenerCount('error')).toBe(0)
    await soon(
      () => upstream(client, `127.0.1.1:${port}`),
      expect.objectContaining({ requests: 1, pending: 0 }),
    )
    socket.destroy()
    server.close()
  })
})

describe('aborts and timeouts are heard at once', () => {
  /** The error and the close of a request, and how long they took. */
  async function aborted(request: ClientRequest, abort: () => void): Promise<unknown> {
    const seen: unknown[] = []
    request.on('error', (error: NodeJS.ErrnoException) => seen.push(error.code))
    const closed = closeOf(request)
    request.end()
    await new Promise((resolve) => setTimeout(resolve, 20))
    abort()
    await closed
    return seen
  }

  test('while discovery waits', async () => {
    const { client, agent } = world(new Promise(() => undefined))
    const request = http.request(ORIGIN, { agent })
    expect(await aborted(request, () => request.destroy())).toEqual(['ECONNRESET'])
    expect(underWay(client)).toBe(0)
    const aborter = new AbortController()
    const other = http.request(ORIGIN, { agent, signal: aborter.signal })
    expect(await aborted(other, () => aborter.abort())).toEqual(['ABORT_ERR'])
    expect(underWay(client)).toBe(0)
  })

  test('while it connects, and while it waits for a connection', async () => {
    const silent = await silentAddress()
    const { client, agent } = world([silent], PATIENT, { maxSockets: 1 })
    const first = http.request(ORIGIN, { agent })
    const second = http.request(ORIGIN, { agent })
    first.on('error', () => undefined).end()
    expect(await aborted(second, () => second.destroy())).toEqual(['ECONNRESET'])
    expect(underWay(client)).toBe(1)
    const closed = closeOf(first)
    first.destroy(new Error('own reason'))
    await closed
    expect(underWay(client)).toBe(0)
    expect(miscounted(agent)).toBe(0)
  })

  test('a timeout that is long does not hold a request that is over', async () => {
    const [task] = await servers(1)
    const { agent } = world([task?.label as string], {}, { keepAlive: false })
    const over = async (): Promise<WeakRef<ClientRequest>> => {
      const request = http.get(ORIGIN, { agent, timeout: 60_000 })
      await answered(request)
      return new WeakRef(request)
    }
    const request = await over()
    await expect.poll(() => isCollected(request)).toBe(true)
  })

  test('a timeout fires while discovery waits', async () => {
    const { agent } = world(new Promise(() => undefined))
    const request = http.request(ORIGIN, { agent, timeout: 30 })
    request.end()
    await once(request, 'timeout')
    request.on('error', () => undefined).destroy()
    await closeOf(request)
  })

  test('a closed client and a service without tasks are errors of the request, in a later tick', async () => {
    const { client, agent } = world([])
    const request = http.request(ORIGIN, { agent })
    await expect(answered(request)).rejects.toMatchObject({ code: 'ONEHOP_NO_ENDPOINTS' })
    await expect(answered(http.request(ORIGIN, { agent }))).rejects.toMatchObject({
      code: 'ONEHOP_NO_ENDPOINTS',
    })
    await client.close()
    await expect(answered(http.request(ORIGIN, { agent }))).rejects.toMatchObject({ code: 'ONEHOP_CLOSED' })
  })

  test('client.close({ withinMs }) cuts requests: connecting, queued, without an answer, in the middle of one', async () => {
    const [task] = await servers(1)
    const silent = await silentAddress()
    ;(task as TestServer).answer = (request, response) => {
      if (request.url === '/begun') response.write('begun')
    }
    const label = (task as TestServer).label
    const options = { ...PATIENT, balancer: roundRobin() }
    const { client, agent } = world([silent, label], options, { maxSockets: 1 })
    const slow = world([label], {}, { maxSockets: 1 })
    const begun = http.get(`${ORIGIN}/begun`, { agent: slow.agent })
    const [response] = (await once(begun, 'response')) as [http.IncomingMessage]
    const broken = once(response.resume(), 'error')
    const calls = [
      ...[1, 2, 3].map(() => answered(http.get(`${ORIGIN}/silent`, { agent }))),
      answered(http.get(`${ORIGIN}/queued`, { agent: slow.agent })),
    ]
    for (const call of calls) call.catch(() => undefined)
    await soon(() => task?.seen.length, 2)
    await Promise.all([client.close({ withinMs: 20 }), slow.client.close({ withinMs: 20 })])
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'ONEHOP_CLOSED' })
    await expect(broken).resolves.toMatchObject([{ code: 'ECONNRESET' }])
    await soon(() => [underWay(client), underWay(slow.client)], [0, 0])
    await soon(() => [miscounted(agent), miscounted(slow.agent)], [0, 0])
  })

  test('agent.destroy() ends connections in progress, and none is made elsewhere', async () => {
    const [task] = await servers(1)
    const silent = await silentAddress()
    const { client, agent } = world([silent, task?.label as string], PATIENT)
    const call = answered(http.get(ORIGIN, { agent }))
    await soon(() => Object.values(agent.sockets).flat().length, 1)
    agent.destroy()
    await expect(call).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(task?.seen).toHaveLength(0)
    await soon(() => underWay(client), 0)
  })
})

test.each([1, 2, 3])(
  'requests that wait for %d connections to a task that refuses go to another, each once',
  async (maxSockets) => {
    const [task] = await servers(1)
    const refusing = await refusingAddress('127.0.1.9')
    const options = { outlier: false, balancer: roundRobin() } as const
    const { client, agent } = world([refusing, (task as TestServer).label], options, {
      keepAlive: false,
      maxSockets,
    })
    await answered(http.get(ORIGIN, { agent }))
    const events: string[] = []
    const requests = Array.from({ length: 40 }, (_, id) => http.get(`${ORIGIN}/${id}`, { agent }))
    for (const request of requests)
      request
        .on('response', (response) => response.resume())
        .on('error', (error: NodeJS.ErrnoException) => events.push(`error ${error.code}`))
        .on('close', () => events.push('close'))
    await soon(() => task?.seen.length, 41)
    await soon(() => underWay(client), 0)
    await soon(() => events.length, 40)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(events).toEqual(Array<string>(40).fill('close'))
    expect(upstream(client, task?.label as string)).toMatchObject({ requests: 41, failures: 0, pending: 0 })
    expect(miscounted(agent)).toBe(0)
  },
)

describe('what is not discovered', () => {
  test('goes through Node’s own agent: hosts, addresses, Unix sockets', async () => {
    const [task] = await servers(1)
    const { client, agent } = world(['127.0.1.9:1'])
    const looked: string[] = []
    const lookup: net.LookupFunction = (host, _options, callback) => {
      looked.push(host)
      callback(null, [{ address: '127.0.1.1', family: 4 }])
    }
    await answered(http.get(`http://elsewhere.example:${task?.port}`, { agent, lookup }))
    await answered(http.get(`http://127.0.1.1:${task?.port}`, { agent }))
    expect(looked).toEqual(['elsewhere.example'])
    const path = `\0onehop-${process.pid}`
    const server = http.createServer((_request, response) => response.end('unix')).listen(path)
    await once(server, 'listening')
    const { text } = await answered(http.get({ socketPath: path, host: 'orders.shop.local', agent }))
    expect(text).toBe('unix')
    expect(client.inspect().services).toEqual({})
    agent.destroy()
    server.close()
  })

  test.each([99_999, 'abc'])('a port that is none, %j, has Node’s own error', (port) => {
    const { agent } = world(['127.0.1.9:1'])
    expect(() => http.get({ host: 'orders.shop.local', port, agent })).toThrow(
      expect.objectContaining({ code: 'ERR_SOCKET_BAD_PORT' }) as Error,
    )
  })
})

test('an empty socketPath is none', async () => {
  const [task] = await servers(1)
  const { agent } = world([task as TestServer])
  const { status } = await answered(http.get({ host: 'orders.shop.local', socketPath: '', agent }))
  expect(status).toBe(200)
})

describe('a proxy of the agent', () => {
  test('gets what is not discovered, and discovered hosts only if NO_PROXY does not name them', async () => {
    const [task] = await servers(1)
    const [proxy] = await servers(1, (request, response) => void response.end(`proxied ${request.url}`))
    const client = keep(clientOf([task as TestServer]))
    const via = (NO_PROXY?: string): OnehopHttpAgent => {
      const HTTP_PROXY = `http://user:secret@${proxy?.label}`
      return agentOf(client, {
        proxyEnv: { HTTP_PROXY, ...(NO_PROXY === undefined ? {} : { NO_PROXY }) },
      } as object)
    }
    const direct = via('.shop.local')
    const elsewhere = await answered(http.get('http://elsewhere.example/x', { agent: direct }))
    expect(elsewhere.text).toBe('proxied http://elsewhere.example/x')
    expect((await answered(http.get(`${ORIGIN}/x`, { agent: direct }))).text).toBe(task?.label)
    expect(task?.seen.map(({ url, headers }) => [url, headers['proxy-authorization']])).toEqual([
      ['/x', undefined],
    ])
    // Node has written it for the proxy by then, with the proxy's credentials.
    const { text } = await answered(http.get(`${ORIGIN}/y`, { agent: via() }))
    expect(text).toMatch(/^proxied http:\/\/orders\.shop\.local.*\/y$/)
    expect(task?.seen).toHaveLength(1)
  })
})

test('an agent keeps no process alive, and adds no signal handler', async () => {
  const [task] = await servers(1)
  const program = `
    import { get } from 'node:http'
    import { createClient, staticResolver } from 'onehop'
    import { OnehopHttpAgent } from 'onehop/http'
    const discovery = staticResolver({ 'orders.shop.local': ['${task?.label}'] })
    const agent = new OnehopHttpAgent(createClient({ namespaces: ['shop.local'], discovery }))
    get('${ORIGIN}', { agent }, (response) => response.resume().on('end', () => {
      console.log(response.statusCode, process.eventNames().filter((name) => String(name).startsWith('SIG')).length)
    }))`
  const flags = ['--conditions=onehop:source', '--input-type=module', '--eval', program]
  const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: 25_000 })
  expect(stdout.trim()).toBe('200 0')
})

describe('the caller’s async context', () => {
  test('survives waits, fail-over and connections of others', async () => {
    const [task] = await servers(1)
    const { agent } = world([await refusingAddress(), task?.label as string], {}, { maxSockets: 1 })
    const trace = new AsyncLocalStorage<number>()
    const call = async (id: number): Promise<unknown[]> => {
      const seen: unknown[] = []
      const request = http.get(ORIGIN, { agent })
      request.on('socket', () => seen.push(trace.getStore()))
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      seen.push(trace.getStore())
      response.resume()
      await once(response, 'end')
      seen.push(trace.getStore())
      expect(seen).toEqual([id, id, id])
      return seen
    }
    await Promise.all([1, 2, 3, 4].map((id) => trace.run(id, () => call(id))))
  })
})
