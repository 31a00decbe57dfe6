/**
 * Clients against a local AWS and real tasks: the way from a name to an answer, over DNS and over the API.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { DeregisterInstanceCommand } from '@aws-sdk/client-servicediscovery'
import { createClient, roundRobin, type Client, type ClientOptions } from 'onehop'
import { manualClock, seededRandom, startLocalAws, type LocalAws, type ManualClock } from 'onehop/testing'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { apiServer, instances } from '../support/cloud-map-server.ts'
import { NXDOMAIN, response as dnsResponse, udpServer } from '../support/dns/servers.ts'
import { ORIGIN } from '../support/clients.ts'
import { preload, timePasses, whileTimePasses, type Looking } from '../support/lookups.ts'
import { finished, registered, sdkOf } from '../support/sdk.ts'
import { startServers, type TestServer } from '../support/servers.ts'

const HOST = 'orders.shop.local'
let aws: LocalAws
let clock: ManualClock
let tasks: TestServer[]
let serviceId: string
const clients: Client[] = []

beforeAll(preload)

beforeEach(async () => {
  clock = manualClock()
  aws = await startLocalAws({ random: seededRandom(1) })
  serviceId = aws.addService(HOST, { ttlSeconds: 60 }).id
  tasks = await startServers(3)
  for (const [index, task] of tasks.entries()) {
    aws.register(HOST, `task-${index + 1}`, {
      ipv4: `127.0.1.${index + 1}`,
      port: task.port,
      zone: `eu-west-1${'ab'[index % 2]}`,
    })
  }
})

afterEach(async () => {
  for (const made of clients.splice(0)) await made.close()
  for (const task of tasks) await task.kill()
  await aws.close()
})

function client(options: ClientOptions = {}): Client {
  const made = createClient({
    namespaces: ['shop.local'],
    allowLoopback: true,
    dns: { servers: [aws.dns.server] },
    cloudMap: aws.cloudMap,
    port: tasks[0]?.port ?? 0,
    clock,
    random: seededRandom(1),
    ...options,
  })
  clients.push(made)
  return made
}

function looking(by: Client, host = HOST): Looking {
  return { client: by, host, aws, clock }
}

async function call(from: Client): Promise<string> {
  const response = await from.fetch(ORIGIN)
  expect(response.status).toBe(200)
  return response.text()
}

describe('names that do not exist', () => {
  test('in "auto": the error says what the API said of the name', async () => {
    await expect(client({ discovery: 'auto' }).request('http://ordesr.shop.local/')).rejects.toThrow(
      expect.objectContaining({
        code: 'ONEHOP_NO_ENDPOINTS',
        message: expect.stringContaining(
          'Cloud Map knows no service "ordesr" in namespace "shop.local"',
        ) as string,
      }),
    )
  })

  test('200 of them, each called once, cost a query each', async () => {
    const dns = await udpServer((query, reply) => reply(dnsResponse(query, { rcode: NXDOMAIN })))
    const caller = client({ discovery: 'dns', dns: { servers: [dns.server] } })
    const calls = Array.from({ length: 200 }, (_, index) =>
      caller.request(`http://none-${index}.shop.local/`),
    )
    const results = await Promise.allSettled(calls)
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
    expect(dns.asked).toHaveLength(200)
    // Without an SOA their absence is believed for a second.
    await timePasses(looking(caller), 2_500)
    // What was asked before would have arrived before.
    await caller.request('http://last.shop.local/').catch(() => undefined)
    expect(dns.asked).toHaveLength(201)
    expect(dns.asked.at(-1)).toBe('last.shop.local A')
  })
})

describe('1,000 cold concurrent calls', () => {
  const callAThousandTimes = async (cold: Client): Promise<void> => {
    const calls = Array.from({ length: 1_000 }, () => cold.request(ORIGIN))
    for (const { statusCode, body } of await Promise.all(calls)) {
      expect(statusCode).toBe(200)
      await body.dump()
    }
  }

  test('make exactly one DNS query', async () => {
    await callAThousandTimes(client({ discovery: 'dns' }))
    expect(aws.dns.queries).toBe(1)
    expect(tasks.every((task) => task.seen.length > 200)).toBe(true)
  }, 60_000)

  test('make exactly one DiscoverInstances call', async () => {
    await callAThousandTimes(client({ discovery: 'api' }))
    expect(aws.cloudMap.calls).toEqual({ DiscoverInstances: 1 })
    expect(tasks.every((task) => task.seen.length > 200)).toBe(true)
  }, 60_000)
})

describe('over the API', () => {
  test('zones, ports, ids and the revision are known', async () => {
    const snapshot = await client({ discovery: 'api' }).resolve(HOST)
    expect(snapshot).toMatchObject({
      source: 'cloud-map',
      complete: true,
      revision: expect.any(Number) as number,
    })
    expect(snapshot.endpoints.toSorted((a, b) => a.address.localeCompare(b.address))[1]).toEqual({
      address: '127.0.1.2',
      port: tasks[1]?.port,
      tier: 0,
      zone: 'eu-west-1b',
      weight: 1,
      id: 'task-2',
      attributes: expect.objectContaining({ REGION: 'eu-west-1' }) as unknown,
      origin: undefined,
    })
  })

  test('what the AWS SDK registers and deregisters is called and left', async () => {
    const sdk = sdkOf(aws)
    for (const InstanceId of ['task-1', 'task-2']) {
      const { OperationId } = await sdk.send(
        new DeregisterInstanceCommand({ ServiceId: serviceId, InstanceId }),
      )
      await finished(sdk, OperationId)
    }
    const caller = client({
      discovery: 'api',
      cloudMap: { ...aws.cloudMap, revisionMs: 1_000 },
      // What is discovered is the question, and not how soon a new task is trusted.
      slowStartMs: 0,
      balancer: roundRobin(),
    })
    expect((await caller.resolve(HOST)).endpoints).toHaveLength(1)
    for (let i = 0; i < 5; i++) expect(await call(caller)).toBe(tasks[2]?.label)
    await registered(sdk, serviceId, 'task-1', {
      AWS_INSTANCE_IPV4: '127.0.1.1',
      AWS_INSTANCE_PORT: String(tasks[0]?.port),
    })
    // The interval of the polls, ± 10 %.
    await timePasses(looking(caller), 1_250)
    const labels = [await call(caller), await call(caller)]
    expect(labels.toSorted()).toEqual([tasks[0]?.label, tasks[2]?.label])
    sdk.destroy()
  })

  test('names are asked for in the case in which they are written; hosts are the same in any', async () => {
    const api = await apiServer(
      instances([{ InstanceId: 'task-1', Attributes: { AWS_INSTANCE_IPV4: '127.0.1.1' } }]),
    )
    const caller = client({
      discovery: 'api',
      namespaces: ['Shop-HTTP'],
      services: { 'Stock.Shop-HTTP.': {} },
      cloudMap: { ...aws.cloudMap, endpoint: api.endpoint },
    })
    for (const host of ['stock.shop-http', 'STOCK.Shop-HTTP', 'orders.shop-http'])
      expect((await caller.fetch(`http://${host}/`)).status).toBe(200)
    expect(Object.keys(caller.inspect().services)).toEqual(['stock.shop-http', 'orders.shop-http'])
    expect(api.calls.map(({ input }) => [input['NamespaceName'], input['ServiceName']])).toEqual([
      ['Shop-HTTP', 'Stock'],
      ['Shop-HTTP', 'orders'],
    ])
  })

  test('that is denied, the error names the IAM action', async () => {
    aws.cloudMap.faults.answer = 'deny'
    await expect(client({ discovery: 'api' }).request(ORIGIN)).rejects.toMatchObject({
      code: 'ONEHOP_RESOLUTION_FAILED',
      message: expect.stringContaining('servicediscovery:DiscoverInstances') as string,
    })
  })

  test('the error for a name that Cloud Map does not know has the name', async () => {
    await expect(client({ discovery: 'api' }).request('http://stock.shop.local/')).rejects.toThrow(
      'Cloud Map knows no service "stock" in namespace "shop.local"',
    )
  })

  test('an outage later fails no call', async () => {
    const caller = client({ discovery: 'api', cloudMap: { ...aws.cloudMap, revisionMs: 500 } })
    await call(caller)
    aws.cloudMap.faults.answer = 'unavailable'
    await timePasses(looking(caller), 10_000)
    expect(caller.inspect().services[HOST]?.failedLookups).toBeGreaterThan(0)
    for (let i = 0; i < 10; i++) await call(caller)
    aws.cloudMap.faults.clear()
    // The longest pause after failures.
    await timePasses(looking(caller), 60_000)
    expect(caller.inspect().services[HOST]?.lastError).toBeUndefined()
  })
})

describe('over DNS', () => {
  test('the TTL of the records is kept', async () => {
    const caller = client({ discovery: 'dns' })
    await call(caller)
    const service = caller.inspect().services[HOST]
    expect(service?.source).toBe('dns')
    expect(service?.expiresInMs).toBe(60_000)
    await clock.advance(20_000)
    expect(caller.inspect().services[HOST]).toMatchObject({ ageMs: 20_000, expiresInMs: 40_000 })
  })

  test('any name with several addresses can be a service', async () => {
    aws.addRecords('www.app.io', { addresses: ['127.0.1.1', '127.0.1.2', '127.0.1.3'] })
    const caller = client({ discovery: 'dns', services: { 'www.app.io': {} } })
    for (let i = 0; i < 30; i++) await (await caller.fetch('http://www.app.io/')).text()
    expect(tasks.every((task) => task.seen.length > 0)).toBe(true)
    expect(tasks[0]?.seen[0]?.headers.host).toBe('www.app.io')
  })

  test.each([
    ['garbage', 'garbage'],
    ['silence', 'drop'],
    ['SERVFAIL', 'servfail'],
    ['forged answers', 'wrong-id'],
  ] as const)('%s at first is an error that says so; later it fails no call', async (_what, answer) => {
    const host = 'www.app.io'
    aws.addRecords(host, { addresses: ['127.0.1.1', '127.0.1.2'], ttlSeconds: 1 })
    const caller = client({ discovery: 'dns', services: { [host]: {} } })
    const get = async (): Promise<number> => {
      const response = await caller.fetch(`http://${host}/`)
      await response.text()
      return response.status
    }
    const failed = (): number => caller.inspect().services[host]?.failedLookups ?? 0
    aws.dns.faults.answer = answer
    await expect(whileTimePasses(looking(caller, host), get())).rejects.toMatchObject({
      cause: { code: 'ONEHOP_RESOLUTION_FAILED' },
    })
    expect(failed()).toBe(1)
    aws.dns.faults.clear()
    // The longest pause after one failure.
    await timePasses(looking(caller, host), 2_000)
    expect(await get()).toBe(200)
    aws.dns.faults.answer = answer
    await timePasses(looking(caller, host), 10_000)
    expect(failed()).toBeGreaterThan(1)
    for (let i = 0; i < 10; i++) expect(await get()).toBe(200)
  })

  test('loopback addresses are refused unless they are allowed, and the error says so', async () => {
    const caller = client({ discovery: 'dns', allowLoopback: false })
    await expect(caller.request(ORIGIN)).rejects.toThrow('never connected to: 127.0.1.')
    expect(tasks.every((task) => task.sockets.size === 0)).toBe(true)
  })

  test('what lies outside allowAddresses is not called', async () => {
    const caller = client({ discovery: 'dns', allowAddresses: ['127.0.1.2/32'] })
    for (let i = 0; i < 10; i++) expect(await call(caller)).toBe(tasks[1]?.label)
  })
})

describe('auto', () => {
  test('asks both: the API knows ports and zones, and DNS shows when they change', async () => {
    const caller = client()
    await call(caller)
    expect(caller.inspect().services[HOST]?.source).toBe('cloud-map')
    expect(aws.cloudMap.calls).toEqual({ DiscoverInstances: 1 })
    expect(aws.dns.queries).toBe(1)
  })

  test('goes to DNS where the API is denied, and says so once', async () => {
    aws.cloudMap.faults.answer = 'deny'
    const told: unknown[] = []
    const listen = (event: unknown): void => void told.push(event)
    subscribe('onehop:discovery.fell-back', listen)
    const caller = client()
    for (let i = 0; i < 5; i++) await call(caller)
    unsubscribe('onehop:discovery.fell-back', listen)
    expect(caller.inspect().services[HOST]?.source).toBe('dns')
    expect(told).toMatchObject([{ host: HOST, from: 'cloud-map', to: 'dns' }])
  })
})
