/** What becomes of the requests that wait for a connection to a task that cannot be reached (`maxSockets`). */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import http, { type ClientRequest } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Balancer, Client, ClientOptions } from 'onehop'
import { OnehopHttpAgent, OnehopHttpsAgent } from 'onehop/http'
import { install } from 'onehop/install'
import { manualClock } from 'onehop/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { answered } from '../../support/http-requests.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress, TestServer } from '../../support/servers.ts'
import { https as httpsServer, secureTasks } from '../../support/transports/secure-servers.ts'
import { ca } from '../../support/transports/tls.ts'

const { keep, servers } = resources()
const agents: http.Agent[] = []
/** Connections that were begun, by address and port. */
let begun: string[] = []

function see(message: unknown): void {
  const { socket } = message as { socket: Socket }
  socket.on('connectionAttempt', (address: string, port: number) => begun.push(`${address}:${port}`))
}

beforeEach(() => {
  begun = []
  subscribe('net.client.socket', see)
})
afterEach(() => {
  unsubscribe('net.client.socket', see)
  for (const agent of agents.splice(0)) agent.destroy()
})

/** An address where SYNs are dropped. */
async function silence(address = '127.0.1.9'): Promise<{ label: string; hole: BlackHole }> {
  const label = await refusingAddress(address)
  const hole = keep(await BlackHole.start(address, Number(label.split(':')[1])))
  begun = []
  return { label, hole }
}

/** Takes the first candidate. */
const inOrder: Balancer = { pick: ([first]) => first }

interface World {
  readonly client: Client
  readonly agent: http.Agent
  /** Begins requests, and returns what becomes of each: the text of its answer, or the code of its error. */
  send(count: number, options?: http.RequestOptions, body?: string): Promise<string>[]
}

function world(
  tasks: readonly { label: string }[],
  options: ClientOptions,
  maxSockets: number,
  keepAlive = true,
): World {
  const client = keep(clientOf(tasks, { balancer: inOrder, ...options }))
  const agent = new OnehopHttpAgent(client, { maxSockets, keepAlive })
  agents.push(agent)
  const send: World['send'] = (count, own = {}, body) =>
    Array.from({ length: count }, () => resultOf(http.request(ORIGIN, { agent, ...own }), body))
  return { client, agent, send }
}

async function resultOf(request: ClientRequest, body?: string): Promise<string> {
  try {
    return (await answered(request, body)).text
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

function attemptsAt(label: string): number {
  return begun.filter((one) => one === label).length
}

/** Nothing is left: no call, no request in the queue, no place of a socket. */
async function expectNothingLeft({ client, agent }: Pick<World, 'client' | 'agent'>): Promise<void> {
  await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
  expect(Object.keys(agent.requests)).toEqual([])
  const sockets = [agent.sockets, agent.freeSockets].flatMap((sets) => Object.values(sets).flat())
  expect((agent as unknown as { totalSocketCount: number }).totalSocketCount).toBe(sockets.length)
}

describe('a silent address is waited for once, however many requests are in its queue:', () => {
  test.each([
    [1, true, 'GET'],
    [1, false, 'GET'],
    [5, true, 'POST'],
    [5, false, 'POST'],
  ])('maxSockets %d, keepAlive %j, %s', async (maxSockets, keepAlive, method) => {
    const [task] = (await servers(1)) as [TestServer]
    const { label } = await silence()
    const all = world([{ label }, task], {}, maxSockets, keepAlive)
    const texts = await Promise.all(all.send(20, { method }, method === 'POST' ? 'pay' : undefined))
    expect(texts).toEqual(Array(20).fill(task.label))
    expect(attemptsAt(label)).toBe(maxSockets)
    expect(task.seen).toHaveLength(20)
    expect(new Set(task.seen.map(({ body }) => body))).toEqual(new Set([method === 'POST' ? 'pay' : '']))
    await expectNothingLeft(all)
  })

  test('a body that has begun to arrive goes with its request', async () => {
    const [task] = (await servers(1)) as [TestServer]
    const { label } = await silence()
    const all = world([{ label }, task], {}, 1)
    const requests = [1, 2, 3].map((id) => {
      const request = http.request(`${ORIGIN}/${id}`, { agent: all.agent, method: 'POST' })
      request.write('begun, ')
      return request
    })
    await expect.poll(() => Object.values(all.agent.requests).flat().length).toBe(2)
    const results = Promise.all(requests.map((request, id) => resultOf(request, `ended ${id + 1}`)))
    expect(await results).toEqual(Array(3).fill(task.label))
    expect(new Map(task.seen.map(({ url, body }) => [url, body]))).toEqual(
      new Map([1, 2, 3].map((id) => [`/${id}`, `begun, ended ${id}`])),
    )
    expect(task.seen).toHaveLength(3)
    expect(attemptsAt(label)).toBe(1)
    await expectNothingLeft(all)
  })

  test.each([1, 5])('https, maxSockets %d', async (maxSockets) => {
    const [task] = (
      await secureTasks([() => httpsServer((_request, response) => response.end('secure'))])
    ).map(keep)
    const { label } = await silence()
    const client = keep(clientOf([{ label }, task as { label: string }], { balancer: inOrder }))
    const agent = new OnehopHttpsAgent(client, { ca, maxSockets })
    agents.push(agent)
    const url = ORIGIN.replace('http:', 'https:')
    const results = Array.from({ length: 12 }, () => resultOf(https.request(url, { agent })))
    expect(await Promise.all(results)).toEqual(Array(12).fill('secure'))
    expect(attemptsAt(label)).toBe(maxSockets)
    await expectNothingLeft({ client, agent })
  })

  test('the requests of one service under an agent that serves several', async () => {
    const [task] = (await servers(1)) as [TestServer]
    const { label } = await silence()
    const all = world([{ label }, task], {}, 1)
    // Straight to the address: not the client's to move.
    const direct = http.request(`http://${label}`, { agent: all.agent, timeout: 2_000 })
    direct.on('timeout', () => direct.destroy())
    const own = resultOf(direct)
    expect(await Promise.all(all.send(4))).toEqual(Array(4).fill(task.label))
    expect(await own).toBe('ECONNRESET')
  })
})

test('requests leave the queue of a task that refuses, also if its open connections are in use', async () => {
  const [hung, task] = (await servers(2)) as [TestServer, TestServer]
  hung.answer = () => undefined
  const all = world([hung, task], {}, 2)
  const [first] = all.send(1)
  await expect.poll(() => hung.seen.length).toBe(1)
  await hung.stopListening()
  expect(await Promise.all(all.send(20))).toEqual(Array(20).fill(task.label))
  expect(attemptsAt(hung.label)).toBe(2)
  all.agent.destroy()
  expect(await first).toBe('ECONNRESET')
  await expectNothingLeft(all)
})

test('one that is ended in the queue goes nowhere, and the others go on', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const { label } = await silence()
  const all = world([{ label }, task], {}, 1)
  const aborting = new AbortController()
  const [first, second] = all.send(2)
  const [aborted] = all.send(1, { signal: aborting.signal })
  const [last] = all.send(1)
  await expect.poll(() => Object.values(all.agent.requests).flat().length).toBe(3)
  aborting.abort()
  expect(await aborted).toBe('ABORT_ERR')
  expect(await Promise.all([first, second, last])).toEqual(Array(3).fill(task.label))
  expect(task.seen).toHaveLength(3)
  await expectNothingLeft(all)
})

test('a caller that ends its connection late does not leave the next one to wait for the same task', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const { label } = await silence()
  const clock = manualClock()
  const timeouts = { connectMs: 120_000, tcpConnectMs: 60_000 }
  const all = world([{ label }, task], { clock, timeouts, retry: false }, 1)
  const aborting = new AbortController()
  const [impatient] = all.send(1, { signal: aborting.signal })
  const others = all.send(6)
  await expect.poll(() => attemptsAt(label)).toBe(1)
  await clock.advance(40_000)
  aborting.abort()
  expect(await Promise.all(others)).toEqual(Array(6).fill(task.label))
  expect(await impatient).toBe('ABORT_ERR')
  expect(attemptsAt(label)).toBe(1)
  await expectNothingLeft(all)
})

test('client.close({ withinMs }) ends them all with its own error, also late', async () => {
  const { label } = await silence()
  const all = world([{ label }], { timeouts: { connectMs: 300 } }, 1)
  const results = all.send(4)
  await expect.poll(() => attemptsAt(label)).toBe(1)
  await all.client.close({ withinMs: 200 })
  expect(await Promise.all(results)).toEqual(Array(4).fill('ONEHOP_CLOSED'))
})

test('agent.destroy() ends the connection in progress; the requests in the queue go on', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const { label } = await silence()
  const all = world([{ label }, task], {}, 1)
  const results = all.send(6)
  await expect.poll(() => attemptsAt(label)).toBe(1)
  all.agent.destroy()
  expect(await Promise.all(results)).toEqual(['ECONNRESET', ...Array<string>(5).fill(task.label)])
  expect(attemptsAt(label)).toBe(2)
  await expectNothingLeft(all)
})

test('a task that comes back gets requests again', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const { label, hole } = await silence()
  const all = world([{ label }, task], {}, 1)
  expect(await Promise.all(all.send(6))).toEqual(Array(6).fill(task.label))
  await hole[Symbol.asyncDispose]()
  keep(await new TestServer().listen('127.0.1.9', Number(label.split(':')[1])))
  await expect.poll(async () => Promise.all(all.send(1)), { interval: 100 }).toEqual([label])
})

describe('where all tasks are silent', () => {
  const silences = () => Promise.all(['127.0.1.9', '127.0.1.8'].map((address) => silence(address)))

  test.each([1, 5])(
    'all fail, with Node’s error and after two connections each, maxSockets %d',
    async (maxSockets) => {
      const tasks = await silences()
      const all = world(tasks, {}, maxSockets)
      const results = await Promise.all(all.send(20))
      expect(results).toEqual(Array(20).fill('ETIMEDOUT'))
      for (const { label } of tasks) expect(attemptsAt(label)).toBeLessThanOrEqual(2 * maxSockets)
      await expectNothingLeft(all)
    },
  )

  test('with retry: false each fails with the first connection', async () => {
    const tasks = await silences()
    const all = world(tasks, { retry: false }, 1)
    expect(await Promise.all(all.send(20))).toEqual(Array(20).fill('ETIMEDOUT'))
    expect(begun).toHaveLength(1)
  })

  test('the load balancer answers', async () => {
    const tasks = await silences()
    const balancer = keep(await new TestServer().listen('127.0.1.250'))
    const all = world(tasks, { fallback: `http://127.0.1.250:${balancer.port}` }, 1)
    expect(await Promise.all(all.send(20))).toEqual(Array(20).fill(balancer.label))
    for (const { label } of tasks) expect(attemptsAt(label)).toBeLessThanOrEqual(1)
    expect(balancer.seen).toHaveLength(20)
    await expectNothingLeft(all)
  })

  test('a load balancer that is silent, too, is waited for once', async () => {
    const { label } = await silence()
    const all = world([], { fallback: `http://${label}`, timeouts: { connectMs: 300 } }, 1)
    expect(await Promise.all(all.send(20))).toEqual(Array(20).fill('ETIMEDOUT'))
    expect(begun).toEqual([label])
    await expectNothingLeft(all)
  })
})

test('the same holds for an agent of Node’s own, where a client is installed', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const { label } = await silence()
  const client = keep(clientOf([{ label }, task], { balancer: inOrder }))
  const agent = new http.Agent({ maxSockets: 1, keepAlive: true })
  agents.push(agent)
  const installed = install(client, { fetch: false })
  try {
    const results = Array.from({ length: 12 }, () => resultOf(http.request(ORIGIN, { agent })))
    expect(await Promise.all(results)).toEqual(Array(12).fill(task.label))
    expect(attemptsAt(label)).toBe(1)
  } finally {
    installed[Symbol.dispose]()
  }
})
