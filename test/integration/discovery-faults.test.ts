/**
 * Faults of the sources, made at the servers, under calls that go on: in none of them may a call fail whose
 * tasks are known and alive, or hang. Time is virtual, sockets are real.
 */
import { createSocket, type Socket } from 'node:dgram'
import { createClient, type Client, type ClientOptions, type ServiceInspection } from 'onehop'
import { manualClock, startLocalAws, type LocalAws, type ManualClock } from 'onehop/testing'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  a,
  boundTo,
  response,
  tcpServer,
  udpServer,
  vacantPlace,
  withLength,
  type Sections,
} from '../support/dns/servers.ts'
import { eventsOf } from '../support/events.ts'
import { ORIGIN } from '../support/clients.ts'
import { preload, timePasses, whileTimePasses, type Looking } from '../support/lookups.ts'
import { resources } from '../support/resources.ts'
import { TestServer } from '../support/servers.ts'

const HOST = 'orders.shop.local'
const TTL_MS = 10_000
const { keep, servers } = resources()
let aws: LocalAws
let clock: ManualClock
let tasks: TestServer[]

// Some tests make a thousand calls, for seconds on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

beforeAll(preload)

beforeEach(async () => {
  aws = keep(await startLocalAws())
  clock = manualClock()
  aws.addService(HOST, { ttlSeconds: TTL_MS / 1_000 })
  tasks = await servers(3)
  for (const [index, task] of tasks.entries())
    aws.register(HOST, `task-${index + 1}`, { ipv4: `127.0.1.${index + 1}`, port: task.port })
})

function client(options: ClientOptions = {}): Client {
  return keep(
    createClient({
      namespaces: ['shop.local'],
      allowLoopback: true,
      dns: { servers: [aws.dns.server] },
      cloudMap: aws.cloudMap,
      port: tasks[0]?.port ?? 0,
      clock,
      ...options,
    }),
  )
}

async function call(from: Client): Promise<number> {
  const { statusCode, body } = await from.request(ORIGIN)
  await body.dump()
  return statusCode
}

function told(by: Client): ServiceInspection | undefined {
  return by.inspect().services[HOST]
}

const STEP_MS = 250

function looking(by: Client): Looking {
  return { client: by, host: HOST, aws, clock }
}

/** Virtual time, with a call every quarter of a second of it; none may fail. */
async function callsGoOn(by: Client, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    await timePasses(looking(by), STEP_MS)
    expect(await call(by)).toBe(200)
  }
}

function callWhileTimePasses(by: Client): Promise<number> {
  return whileTimePasses(looking(by), call(by))
}

/** Passes queries on to the local AWS at a place of its own, so that the server can go away and come back. */
class Relay implements AsyncDisposable {
  readonly #place = vacantPlace()
  #socket: Socket | undefined

  get server(): string {
    return `${this.#place.address}:${this.#place.port}`
  }

  async up(): Promise<this> {
    const socket = await boundTo(this.#place)
    this.#socket = socket
    const port = Number(aws.dns.server.split(':')[1])
    socket.on('message', (query, from) => {
      const upstream = createSocket('udp4')
      upstream.on('error', () => upstream.close())
      upstream.on('message', (answer) => {
        if (this.#socket === socket) socket.send(answer, from.port, from.address)
        upstream.close()
      })
      upstream.send(query, port, '127.0.0.1')
    })
    return this
  }

  async down(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(() => resolve()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down()
  }
}

describe('DNS', () => {
  test('down at start: an error at once that says so; up again: calls succeed by themselves', async () => {
    const relay = keep(new Relay())
    const caller = client({ discovery: 'dns', dns: { servers: [relay.server] } })
    await expect(call(caller)).rejects.toMatchObject({ code: 'ONEHOP_RESOLUTION_FAILED' })
    expect(told(caller)?.lastError).toMatch(/query failed: 127\.0\.1\.53:\d+ .*ECONNREFUSED/)
    await relay.up()
    await timePasses(looking(caller), 5_000)
    expect(await call(caller)).toBe(200)
    expect(told(caller)).toMatchObject({ lastError: undefined, source: 'dns' })
  })

  test('down at start with a fallback: the load balancer takes the calls', async () => {
    const [balancer] = await servers(1)
    const caller = client({
      discovery: 'dns',
      dns: { servers: ['127.0.0.1:1'] },
      fallback: `http://${balancer?.label}`,
    })
    expect(await call(caller)).toBe(200)
    expect(balancer?.seen).toHaveLength(1)
  })

  test('down later, for half an hour: no call fails, and it comes back by itself', async () => {
    const relay = keep(await new Relay().up())
    const caller = client({ discovery: 'dns', dns: { servers: [relay.server] } })
    await callsGoOn(caller, TTL_MS)
    await relay.down()
    await callsGoOn(caller, 60_000)
    for (let minute = 0; minute < 29; minute++) {
      await clock.advance(60_000)
      expect(await call(caller)).toBe(200)
    }
    expect(told(caller)?.failedLookups).toBeGreaterThan(10)
    expect(told(caller)?.expiresInMs).toBeLessThan(-1_700_000)
    await relay.up()
    await callsGoOn(caller, 61_000)
    expect(told(caller)).toMatchObject({ lastError: undefined })
    expect(told(caller)?.expiresInMs).toBeGreaterThan(0)
  })

  test.each([
    ['SERVFAIL', 'servfail'],
    ['REFUSED', 'refused'],
    ['garbage', 'garbage'],
    ['silence', 'drop'],
    ['forged answers', 'wrong-id'],
  ] as const)('%s for a minute: no call fails', async (_, fault) => {
    const caller = client({ discovery: 'dns' })
    await callsGoOn(caller, 1_000)
    aws.dns.faults.answer = fault
    await callsGoOn(caller, 60_000)
    expect(told(caller)?.failedLookups).toBeGreaterThan(2)
    aws.dns.faults.clear()
    await callsGoOn(caller, 61_000)
    expect(told(caller)?.lastError).toBeUndefined()
  })

  test('answers from the wrong port are not heard: TCP brings the right ones', async () => {
    aws.dns.faults.answer = 'wrong-port'
    const caller = client({ discovery: 'dns' })
    expect(await callWhileTimePasses(caller)).toBe(200)
    await callsGoOn(caller, 60_000)
    const [udp, tcp] = (['udp', 'tcp'] as const).map((transport) => aws.dns.countQueries({ transport }))
    expect(told(caller)?.refreshes).toBeGreaterThan(2)
    expect(told(caller)?.refreshes).toBe(tcp)
    expect(udp).toBeGreaterThanOrEqual(tcp ?? 0)
  })

  test.each([
    ['twice', 'twice', 'udp'],
    ['truncated over UDP', 'truncate', 'udp'],
  ] as const)('answers %s: lookups succeed', async (_, fault, transport) => {
    Object.assign(aws.dns.faults, { answer: fault, transport })
    const caller = client({ discovery: 'dns' })
    await callsGoOn(caller, 30_000)
    expect(told(caller)).toMatchObject({ failedLookups: 0, endpoints: { length: 3 } })
  })

  test('truncated for ever, over TCP too: an error that says so, and no call fails that has tasks', async () => {
    let truncated = false
    const sections = (): Sections =>
      truncated ? { truncated } : { answers: tasks.map((_, index) => a(HOST, `127.0.1.${index + 1}`, 1)) }
    const { port, server } = await udpServer((query, reply) => reply(response(query, sections())))
    await tcpServer(port, (query, socket) => socket.write(withLength(response(query, sections()))))
    const caller = client({ discovery: 'dns', dns: { servers: [server] } })
    await callsGoOn(caller, 1_000)
    truncated = true
    await callsGoOn(caller, 60_000)
    expect(told(caller)?.lastError).toContain('sent a truncated answer over TCP')
    await expect(call(client({ discovery: 'dns', dns: { servers: [server] } }))).rejects.toMatchObject({
      code: 'ONEHOP_RESOLUTION_FAILED',
    })
  })

  test('late answers: calls wait for the first, and for none after it', async () => {
    const caller = client({ discovery: 'dns' })
    aws.dns.faults.delayMs = 30
    expect(await call(caller)).toBe(200)
    expect(told(caller)?.lookups).toBe(1)
    await callsGoOn(caller, 30_000)
  })

  test('NXDOMAIN for a name that had tasks: believed after 30 s, and calls go on until then', async () => {
    const held = eventsOf('onehop:snapshot.held')
    const caller = client({ discovery: 'dns' })
    await callsGoOn(caller, 1_000)
    for (const id of ['task-1', 'task-2', 'task-3']) aws.deregister(HOST, id)
    await callsGoOn(caller, 30_000)
    expect(told(caller)?.negative?.state).toBe('held')
    expect(held).toHaveLength(1)
    await timePasses(looking(caller), 20_000)
    expect(told(caller)).toMatchObject({ negative: { state: 'believed' }, endpoints: [] })
    await expect(call(caller)).rejects.toMatchObject({ code: 'ONEHOP_NO_ENDPOINTS' })
    aws.register(HOST, 'task-1', { ipv4: '127.0.1.1', port: tasks[0]?.port ?? 0 })
    await timePasses(looking(caller), 10_000)
    expect(await call(caller)).toBe(200)
    expect(told(caller)?.negative).toBeUndefined()
  })

  test('an empty answer for 10 s changes nothing', async () => {
    const changes = eventsOf('onehop:snapshot.changed')
    const caller = client({ discovery: 'dns' })
    await callsGoOn(caller, 5_000)
    const instances = tasks.map(
      ({ port }, index) => [`task-${index + 1}`, { ipv4: `127.0.1.${index + 1}`, port }] as const,
    )
    for (const [id] of instances) aws.deregister(HOST, id)
    await callsGoOn(caller, 10_000)
    for (const [id, instance] of instances) aws.register(HOST, id, instance)
    await callsGoOn(caller, 30_000)
    expect(changes).toHaveLength(1)
    expect(tasks.every(({ seen }) => seen.length > 0)).toBe(true)
  })

  test('the first of two servers dead: the second answers', async () => {
    const caller = client({ discovery: 'dns', dns: { servers: [new Relay().server, aws.dns.server] } })
    await callsGoOn(caller, 30_000)
    expect(told(caller)).toMatchObject({ failedLookups: 0, source: 'dns' })
  })
})

describe('the Cloud Map API', () => {
  test.each([
    ['throttled', 'throttle'],
    ['broken', 'unavailable'],
    ['denied', 'deny'],
    ['answering nonsense', 'garbage'],
    ['silent', 'hang'],
  ] as const)(
    '%s for a minute: no call fails, over the API alone or with DNS behind it',
    async (_, fault) => {
      const callers = [client({ discovery: 'api' }), client()]
      for (const caller of callers) await callsGoOn(caller, 1_000)
      aws.cloudMap.faults.answer = fault
      for (const caller of callers) await callsGoOn(caller, 60_000)
      expect(callers.map((caller) => told(caller)?.endpoints.length)).toEqual([3, 3])
      aws.cloudMap.faults.clear()
      for (const caller of callers) {
        await callsGoOn(caller, 90_000)
        expect(told(caller)).toMatchObject({ source: 'cloud-map', lastError: undefined, warning: undefined })
      }
    },
  )

  test('throttled: calls of the API become few', async () => {
    const caller = client({ discovery: 'api' })
    await callsGoOn(caller, 1_000)
    aws.cloudMap.faults.answer = 'throttle'
    await callsGoOn(caller, 60_000)
    const before = Object.values(aws.cloudMap.calls).reduce((sum, count) => sum + count)
    await callsGoOn(caller, 120_000)
    const calls = Object.values(aws.cloudMap.calls).reduce((sum, count) => sum + count) - before
    // A lookup in 33 s on average, of two attempts of the SDK each.
    expect(calls).toBeLessThanOrEqual(20)
  })

  test('an outage that lasts: DNS takes over after a minute, follows what changes, and hands back', async () => {
    const fellBack = eventsOf('onehop:discovery.fell-back')
    const recovered = eventsOf('onehop:discovery.recovered')
    const changes = eventsOf('onehop:snapshot.changed')
    // No port in the URL or the options: only the API knows it.
    const caller = client({ services: { [HOST]: {} } })
    await callsGoOn(caller, 10_000)
    aws.cloudMap.faults.answer = 'unavailable'
    // The next full read is what fails first.
    await callsGoOn(caller, 330_000 + 120_000)
    expect(told(caller)).toMatchObject({ source: 'dns', endpoints: { length: 3 } })
    expect(told(caller)?.warning).toContain('DNS is asked instead: the Cloud Map API fails')
    expect(fellBack).toMatchObject([{ host: HOST, from: 'cloud-map', to: 'dns' }])
    // The same tasks, and so the same connections.
    expect(changes).toHaveLength(1)
    const [first, second, third] = tasks
    aws.deregister(HOST, 'task-1')
    await callsGoOn(caller, 15_000)
    const before = first?.seen.length
    await callsGoOn(caller, 5_000)
    expect(first?.seen.length).toBe(before)
    aws.cloudMap.faults.clear()
    await callsGoOn(caller, 90_000)
    expect(told(caller)).toMatchObject({ source: 'cloud-map', warning: undefined, endpoints: { length: 2 } })
    expect(recovered).toEqual([{ host: HOST, from: 'dns', to: 'cloud-map' }])
    expect(changes).toHaveLength(2)
    expect([second, third].every((task) => task !== undefined && task.sockets.size > 0)).toBe(true)
  })

  test('unreachable at start: DNS answers; over the API alone it is an error that says so', async () => {
    const cloudMap = { ...aws.cloudMap, endpoint: 'http://127.0.0.1:1' }
    const caller = client({ cloudMap })
    expect(await callWhileTimePasses(caller)).toBe(200)
    expect(told(caller)).toMatchObject({ source: 'dns' })
    await expect(callWhileTimePasses(client({ cloudMap, discovery: 'api' }))).rejects.toThrow(
      /the Cloud Map API fails \(.*ECONNREFUSED/,
    )
  })

  test('slow: the first call has DNS after a second, and later ones wait for nothing', async () => {
    aws.cloudMap.faults.answer = 'hang'
    const caller = client()
    const started = clock.now()
    expect(await callWhileTimePasses(caller)).toBe(200)
    expect(clock.now() - started).toBeLessThanOrEqual(2_000)
    await callsGoOn(caller, 30_000)
  })

  test('a page of 1,000 instances: all of them are known, and called', async () => {
    const everywhere = keep(await new TestServer().listen('0.0.0.0'))
    aws.addService('big.shop.local')
    for (let i = 0; i < 1_000; i++)
      aws.register('big.shop.local', `t-${i}`, {
        ipv4: `127.0.${10 + (i >> 8)}.${i & 255}`,
        port: everywhere.port,
      })
    const caller = client({ discovery: 'api', services: { 'big.shop.local': { port: everywhere.port } } })
    for (let i = 0; i < 50; i++) {
      const { statusCode, body } = await caller.request('http://big.shop.local/')
      await body.dump()
      expect(statusCode).toBe(200)
    }
    const big = caller.inspect().services['big.shop.local']
    expect(big?.endpoints).toHaveLength(1_000)
    expect(big?.complete).toBe(false)
    await clock.advance(60_000)
    expect(caller.inspect().services['big.shop.local']?.endpoints).toHaveLength(1_000)
  })

  test('credentials that expire: the last set serves, and good ones are taken up by themselves', async () => {
    let hasExpired = false
    const credentials = (): Promise<{ accessKeyId: string; secretAccessKey: string; expiration: Date }> =>
      hasExpired
        ? Promise.reject(new Error('the credentials endpoint is down'))
        : // So that the SDK asks for others each time.
          Promise.resolve({
            accessKeyId: 'A',
            secretAccessKey: 's',
            expiration: new Date(Date.now() + 1_000),
          })
    const caller = client({ discovery: 'api', cloudMap: { ...aws.cloudMap, credentials } })
    await callsGoOn(caller, 1_000)
    hasExpired = true
    await callsGoOn(caller, 60_000)
    expect(told(caller)?.lastError).toContain('the credentials endpoint is down')
    hasExpired = false
    await callsGoOn(caller, 61_000)
    expect(told(caller)).toMatchObject({ lastError: undefined, source: 'cloud-map' })
  })
})

describe.each(['dns', 'api', 'auto'] as const)('a clock that jumps, over %s', (discovery) => {
  /** Time that passes without timers, as for a process that was stopped. */
  function jumping(): { clock: ManualClock; jump(ms: number): void } {
    let offset = 0
    return {
      clock: { ...clock, now: () => clock.now() + offset, advance: clock.advance, pendingTimers: 0 },
      jump: (ms) => (offset += ms),
    }
  }

  test('ahead: the next call has a fresh answer', async () => {
    const { clock: jumpy, jump } = jumping()
    const caller = client({ discovery, clock: jumpy })
    await callsGoOn(caller, 1_000)
    const [first] = tasks
    aws.deregister(HOST, 'task-1')
    const before = first?.seen.length
    jump(600_000)
    for (let i = 0; i < 10; i++) expect(await call(caller)).toBe(200)
    expect(first?.seen.length).toBe(before)
  })

  test('ahead, while the source is down: the last set serves', async () => {
    const { clock: jumpy, jump } = jumping()
    const caller = client({ discovery, clock: jumpy })
    await callsGoOn(caller, 1_000)
    aws.cloudMap.faults.answer = 'unavailable'
    aws.dns.faults.answer = 'servfail'
    jump(600_000)
    for (let i = 0; i < 10; i++) expect(await callWhileTimePasses(caller)).toBe(200)
  })

  test('back: calls go on', async () => {
    const { clock: jumpy, jump } = jumping()
    const caller = client({ discovery, clock: jumpy })
    await callsGoOn(caller, 1_000)
    jump(-600_000)
    await callsGoOn(caller, 30_000)
  })
})
