/** How long a call waits for the address of a task that is gone. */
import { createServer, type AddressInfo, type LookupFunction } from 'node:net'
import type { Balancer, Client, ClientOptions, UpstreamInspection } from 'onehop'
import { manualClock, type ManualClock } from 'onehop/testing'
import { buildConnector } from 'undici'
import { beforeAll, afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { BlackHole } from '../../../../chaos/black-hole.ts'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { compute } from '../../../support/compute.ts'
import { resources } from '../../../support/resources.ts'
import { refusingAddress, TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()
const SILENT = '127.0.1.240'
const SECURE = 'https://orders.shop.local'

let silent: string
let hole: BlackHole
beforeAll(async () => {
  silent = await refusingAddress(SILENT)
  hole = await BlackHole.start(SILENT, Number(silent.split(':')[1]))
})
afterAll(() => hole[Symbol.asyncDispose]())

interface World {
  readonly clock: ManualClock
  readonly task: TestServer
  /** A call of the task that is silent. */
  call(): Promise<string>
}

async function world(options: ClientOptions = {}): Promise<World> {
  const clock = manualClock()
  const [task] = await servers(1)
  if (task === undefined) throw new Error('no server')
  const client = keep(clientOf([silent, task.label], { clock, ...options }))
  const call = async (): Promise<string> => {
    const { body } = await client.request(ORIGIN, { method: 'POST', body: 'pay' })
    return body.text()
  }
  return { clock, task, call }
}

/** The first one. */
function upstreamOf(client: Client, origin = ORIGIN): UpstreamInspection | undefined {
  return client.inspect().services['orders.shop.local']?.origins[origin]?.upstreams[0]
}

/** Accepts a connection, and never answers its TLS handshake. */
async function tlsSilence(): Promise<{ label: string; accepted: Promise<unknown> }> {
  const server = createServer((socket) => socket.on('error', () => undefined).resume())
  await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
  onTestFinished(() => void server.close())
  const accepted = new Promise((resolve) => server.once('connection', resolve))
  return { label: `127.0.1.1:${(server.address() as AddressInfo).port}`, accepted }
}

/** Nothing arrives at the task before, and the answer is its own then. */
async function expectNextAt(limitMs: number, { clock, task, call }: World): Promise<void> {
  const answer = call()
  await clock.advance(limitMs - 1)
  expect(task.seen).toHaveLength(0)
  await clock.advance(1)
  expect(await answer).toBe(task.label)
}

describe('an address that does not answer costs a call, whatever its method,', () => {
  test('300 ms', async () => {
    await expectNextAt(300, await world())
  })

  test('tcpConnectMs', async () => {
    await expectNextAt(120, await world({ timeouts: { connectMs: 2_000, tcpConnectMs: 120 } }))
  })

  test('connectMs where that is set alone, or shorter', async () => {
    await expectNextAt(700, await world({ timeouts: { connectMs: 700 } }))
    await expectNextAt(90, await world({ timeouts: { connectMs: 90, tcpConnectMs: 200 } }))
  })

  test('the limit of its service, which replaces both', async () => {
    const services = { 'orders.shop.local': { timeouts: { connectMs: 450 } } }
    await expectNextAt(450, await world({ timeouts: { connectMs: 100, tcpConnectMs: 50 }, services }))
  })

  test('the limit of undici’s own options', async () => {
    await expectNextAt(800, await world({ pool: { connectTimeout: 800 } }))
    await expectNextAt(850, await world({ pool: { connect: { timeout: 850 } } }))
  })
})

test.each([{}, { connections: 1 }, { connections: 2 }, { connections: 1, pipelining: 4 }])(
  'with %o it costs each of many calls no more than that',
  async (pool) => {
    const balancer: Balancer = { pick: ([first]) => first }
    const { clock, task, call } = await world({ pool, balancer })
    const answers = Promise.all(Array.from({ length: 8 }, call))
    await clock.advance(300)
    expect(await answers).toEqual(Array.from({ length: 8 }, () => task.label))
  },
)

test('it has that time from its SYN on, whatever this process computes before', async () => {
  const client = keep(clientOf([silent], { retry: false, timeouts: { tcpConnectMs: 100 } }))
  const failure = (): Promise<Error> => client.request(ORIGIN).then(Promise.reject, (error: Error) => error)
  await failure()
  const failed = failure()
  compute(150)
  const computedAt = performance.now()
  expect(await failed).toMatchObject({ message: `no TCP connection to ${silent} in 100 ms` })
  expect(performance.now() - computedAt).toBeGreaterThan(99)
})

describe('a caller that waits for half of the limit', () => {
  const deadlineMs = 160

  test.each([
    ['with a longer limit of undici’s', { connectTimeout: 1_000 }],
    ['without a limit of undici’s', { connect: { timeout: 0 } }],
    ['with a connector of the user’s', { connect: () => undefined }],
  ])('ejects nothing %s', async (_name, pool) => {
    const clock = manualClock()
    const client = keep(clientOf([silent], { clock, pool }))
    const failed = client.request(ORIGIN, { deadlineMs }).catch((error: Error) => error)
    await clock.advance(deadlineMs)
    expect(await failed).toMatchObject({ code: 'ONEHOP_DEADLINE_EXCEEDED' })
    expect(upstreamOf(client)).toMatchObject({ state: 'available' })
  })

  test('ejects a task with TLS whose address is silent, and not one whose handshake takes long', async () => {
    const shaking = await tlsSilence()
    for (const [label, state] of [
      [silent, 'ejected'],
      [shaking.label, 'available'],
    ] as const) {
      const clock = manualClock()
      const client = keep(clientOf([label], { clock }))
      const failed = client.request(SECURE, { deadlineMs }).catch((error: Error) => error)
      if (label === shaking.label) await shaking.accepted
      await clock.advance(deadlineMs)
      expect(await failed).toMatchObject({ code: 'ONEHOP_DEADLINE_EXCEEDED' })
      expect(upstreamOf(client, SECURE)).toMatchObject({ state })
    }
  })

  test('ejects nothing if it was this process that took the time', async () => {
    const client = keep(clientOf([silent], { retry: false }))
    const failure = (): Promise<Error> =>
      client.request(ORIGIN, { deadlineMs: 100 }).then(Promise.reject, (error: Error) => error)
    await failure()
    // No call for more than a second: the loop is not measured any more.
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    const failed = failure()
    compute(200)
    expect(await failed).toMatchObject({ code: 'ONEHOP_DEADLINE_EXCEEDED' })
    expect(upstreamOf(client)).toMatchObject({ state: 'available' })
  })
})

test('it is ejected with the time that it had', async () => {
  const clock = manualClock()
  const client = keep(clientOf([silent], { clock, retry: false }))
  const failed = client.request(ORIGIN).catch((error: Error) => error)
  await clock.advance(300)
  expect(await failed).toMatchObject({
    code: 'UND_ERR_CONNECT_TIMEOUT',
    message: `no TCP connection to ${silent} in 300 ms`,
  })
  expect(upstreamOf(client)).toMatchObject({ state: 'ejected' })
})

test('a caller that waits for half of the limit ejects it', async () => {
  const clock = manualClock()
  const client = keep(clientOf([silent], { clock, retry: false }))
  const stateAfter = async (waitMs: number): Promise<string | undefined> => {
    const aborting = new AbortController()
    const call = client.request(ORIGIN, { signal: aborting.signal }).catch((error: Error) => error)
    await clock.advance(waitMs)
    aborting.abort()
    expect(await call).toMatchObject({ name: 'AbortError' })
    return upstreamOf(client)?.state
  }
  expect(await stateAfter(149)).toBe('available')
  expect(await stateAfter(150)).toBe('ejected')
})

test('a load balancer has all of connectMs: its name is looked up meanwhile', async () => {
  const clock = manualClock()
  const options = { clock, retry: false, fallback: `http://${silent}` } as const
  const client = keep(clientOf([], options))
  const failed = client.request(ORIGIN).catch((error: Error) => error)
  await clock.advance(999)
  expect(client.inspect().callsUnderWay).toBe(1)
  await clock.advance(1)
  expect(await failed).toMatchObject({ message: `no connection to ${silent} in 1000 ms` })
})

describe('a call waits once for a load balancer that makes no connection in time', () => {
  /** What the call fails with after a time, and not before. */
  async function failureAt(ms: number, tasks: readonly string[], options: ClientOptions): Promise<Error> {
    const clock = manualClock()
    const client = keep(clientOf(tasks, { clock, ...options }))
    const failed = client.request(ORIGIN).then(Promise.reject, (error: Error) => error)
    for (let elapsedMs = 0; elapsedMs < ms; elapsedMs += 50) {
      expect(client.inspect().callsUnderWay).toBe(1)
      await clock.advance(50)
    }
    return failed
  }

  test('without tasks', async () => {
    const error = await failureAt(1_000, [], { fallback: `http://${silent}` })
    expect(error).toMatchObject({
      code: 'ONEHOP_ATTEMPTS_EXHAUSTED',
      attempts: [{ upstream: silent, tier: 1 }],
      message: expect.stringContaining('the load balancer makes no connection') as string,
    })
  })

  test('after a task that is silent, too', async () => {
    const fallback = `http://${silent}`
    const error = await failureAt(1_300, [silent], { fallback })
    expect(error).toMatchObject({ attempts: [{ tier: 0 }, { tier: 1 }] })
  })

  test('by the limit of its own pool', async () => {
    const fallback = { url: `http://${silent}`, pool: { connectTimeout: 400 } }
    expect(await failureAt(400, [], { fallback })).toMatchObject({ attempts: [{ tier: 1 }] })
  })
})

test('all addresses of a load balancer’s name belong to one attempt', async () => {
  const port = Number(silent.split(':')[1])
  const balancer = keep(await new TestServer().listen('127.0.1.1', port))
  const addresses = [SILENT, '127.0.1.1'].map((address) => ({ address, family: 4 }))
  const lookup: LookupFunction = (_host, _options, callback) => callback(null, addresses)
  const fallback = { url: `http://balancer.example:${port}`, pool: { connect: { lookup } } }
  const client = keep(clientOf([], { fallback, retry: false, timeouts: { connectMs: 20_000 } }))
  expect(await (await client.request(ORIGIN)).body.text()).toBe(balancer.label)
})

test('a load balancer that makes connections for others meanwhile is tried again: a packet was lost', async () => {
  const [balancer] = await servers(1)
  const connectNow = buildConnector({})
  let connections = 0
  // The first connection never comes.
  const connect: buildConnector.connector = (target, callback) => {
    if (connections++ > 0) connectNow(target, callback)
  }
  const clock = manualClock()
  const fallback = { url: `http://${balancer?.label}`, pool: { connect } }
  const client = keep(clientOf([], { clock, fallback }))
  const unlucky = client.request(ORIGIN)
  await clock.advance(500)
  expect(await (await client.request(ORIGIN)).body.text()).toBe(balancer?.label)
  await clock.advance(600)
  expect(await (await unlucky).body.text()).toBe(balancer?.label)
})

test('TLS has all of connectMs, once TCP is connected', async () => {
  const { label, accepted } = await tlsSilence()
  const clock = manualClock()
  const client = keep(clientOf([label], { clock, retry: false }))
  const failed = client.request(SECURE).catch((error: Error) => error)
  await accepted
  await clock.advance(999)
  expect(client.inspect().callsUnderWay).toBe(1)
  await clock.advance(1)
  expect(await failed).toMatchObject({ message: `no connection to ${label} in 1000 ms` })
})
