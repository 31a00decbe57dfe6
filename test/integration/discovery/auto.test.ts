/** The default, `auto`, with the real SDK and DNS messages against the local AWS; time is virtual. */
import { createClient, type Client, type ServiceInspection } from 'onehop'
import { manualClock, seededRandom, startLocalAws, type LocalAws, type ManualClock } from 'onehop/testing'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventsOf } from '../../support/events.ts'
import { preload, settled } from '../../support/lookups.ts'
import { resources } from '../../support/resources.ts'

const HOST = 'orders.shop.local'
const TTL_MS = 10_000
const STEP_MS = 500
const { keep } = resources()
let aws: LocalAws
let clock: ManualClock

beforeAll(preload)

beforeEach(async () => {
  clock = manualClock()
  aws = keep(await startLocalAws({ clock, random: seededRandom(1) }))
  aws.addService(HOST, { ttlSeconds: TTL_MS / 1_000 })
})

function register(tasks: readonly number[], host = HOST): void {
  for (const task of tasks)
    aws.register(host, `task-${task}`, { ipv4: `10.0.0.${task}`, port: 8080, zone: 'eu-west-1a' })
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

/** Has asked for the service once. */
async function started(host = HOST): Promise<Client> {
  const client = keep(
    createClient({
      namespaces: ['shop.local', 'internal'],
      dns: { servers: [aws.dns.server] },
      cloudMap: aws.cloudMap,
      clock,
      random: seededRandom(1),
    }),
  )
  await client.resolve(host)
  return client
}

function inspect(client: Client, host = HOST): ServiceInspection | undefined {
  return client.inspect().services[host]
}

/** Virtual time, in which the service is used; real time for the lookups that it starts. */
async function passes(client: Client, ms: number, host = HOST): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    await clock.advance(STEP_MS)
    await client.resolve(host)
    await settled({ client, host, aws, clock })
  }
}

function tasksOf(client: Client, host = HOST): string {
  return (inspect(client, host)?.endpoints ?? [])
    .map((place) => Number(place.slice('10.0.0.'.length).split(':')[0]))
    .toSorted((one, other) => one - other)
    .join(' ')
}

/** Calls of the API since this was asked last. */
function newCalls(): { reads: number; revisions: number } {
  const { DiscoverInstances = 0, DiscoverInstancesRevision = 0 } = aws.cloudMap.calls
  const calls = {
    reads: DiscoverInstances - counted.reads,
    revisions: DiscoverInstancesRevision - counted.revisions,
  }
  counted = { reads: DiscoverInstances, revisions: DiscoverInstancesRevision }
  return calls
}
let counted = { reads: 0, revisions: 0 }
beforeEach(() => {
  counted = { reads: 0, revisions: 0 }
})

describe('in a DNS namespace', () => {
  test('nothing changes: a read in 5 minutes, and a DNS query in each TTL', async () => {
    register([1, 2, 3])
    const client = await started()
    expect(newCalls()).toEqual({ reads: 1, revisions: 0 })
    await passes(client, 1_200_000)
    const { reads, revisions } = newCalls()
    // At the start, the API may have answered before DNS did.
    expect(revisions).toBeLessThanOrEqual(1)
    expect(reads).toBeGreaterThanOrEqual(3)
    expect(reads).toBeLessThanOrEqual(4)
    expect(aws.dns.queries).toBeGreaterThanOrEqual(118)
    expect(aws.dns.queries).toBeLessThanOrEqual(121)
  })

  test('a new task is there within a TTL, and its zone 2 s later', async () => {
    register([1, 2])
    const client = await started()
    await passes(client, 60_000)
    newCalls()
    register([3])
    await passes(client, TTL_MS + STEP_MS)
    expect(tasksOf(client)).toBe('1 2 3')
    expect(inspect(client)?.endpoints).toContain('10.0.0.3:8080')
    await passes(client, 2_000)
    expect((await client.resolve(HOST)).endpoints.every(({ zone }) => zone === 'eu-west-1a')).toBe(true)
    expect(newCalls().reads).toBe(1)
  })

  test('scaled to zero and back: read at once, gone when an empty answer is believed, back within a TTL', async () => {
    register([1, 2, 3])
    const client = await started()
    await passes(client, 60_000)
    for (const task of [1, 2, 3]) aws.deregister(HOST, `task-${task}`)
    await passes(client, TTL_MS + 2_500)
    expect(inspect(client)?.negative).toMatchObject({ state: 'held' })
    await passes(client, 35_000)
    expect(tasksOf(client)).toBe('')
    register([4])
    await passes(client, TTL_MS + STEP_MS)
    expect(tasksOf(client)).toBe('4')
  })

  test('40 tasks behind answers of 8: all are known, and each change is one read', async () => {
    register(range(1, 40))
    const client = await started()
    expect(tasksOf(client)).toBe(range(1, 40).join(' '))
    newCalls()
    // Between two full reads.
    for (let change = 1; change <= 4; change++) {
      register([40 + change])
      await passes(client, 60_000)
      expect(tasksOf(client)).toBe(range(1, 40 + change).join(' '))
      expect(newCalls().reads).toBeLessThanOrEqual(1)
    }
    expect((await client.resolve(HOST)).complete).toBe(true)
  })

  test('queryParameters and WEIGHT 0 hold, whatever DNS names', async () => {
    register([1, 2])
    const attributes = { COLOUR: 'blue' }
    aws.register(HOST, 'task-3', { ipv4: '10.0.0.3', port: 8080, attributes })
    const options = { namespaces: ['shop.local'], dns: { servers: [aws.dns.server] }, clock }
    const blue = keep(
      createClient({ ...options, cloudMap: { ...aws.cloudMap, queryParameters: { COLOUR: 'blue' } } }),
    )
    const client = await started()
    await blue.resolve(HOST)
    register([4])
    aws.register(HOST, 'task-5', { ipv4: '10.0.0.5', port: 8080, attributes: { ...attributes, WEIGHT: '0' } })
    aws.register(HOST, 'task-6', { ipv4: '10.0.0.6', port: 8080, attributes })
    for (let turn = 0; turn < 6; turn++) {
      await passes(client, 10_000)
      await blue.resolve(HOST)
    }
    expect(tasksOf(client)).toBe('1 2 3 4 6')
    expect(tasksOf(blue)).toBe('3 6')
  })

  test('unhealthy in DNS, and healthy for the API: it gets no calls after a minute', async () => {
    register([1, 2, 3])
    const client = await started()
    aws.cloudMap.faults.ignoresHealth = true
    aws.setHealth(HOST, 'task-2', 'UNHEALTHY')
    await passes(client, 60_000)
    expect(tasksOf(client)).toBe('1 2 3')
    await passes(client, TTL_MS + 2_000)
    expect(tasksOf(client)).toBe('1 3')
    aws.setHealth(HOST, 'task-2', 'HEALTHY')
    await passes(client, TTL_MS + STEP_MS)
    expect(tasksOf(client)).toBe('1 2 3')
  })

  test.each(['dns', 'cloudMap'] as const)(
    '%s a minute late: no endpoint goes back and forth',
    async (late) => {
      const changes = eventsOf('onehop:snapshot.changed')
      register([1, 2, 3])
      await clock.advance(60_000)
      const client = await started()
      aws[late].faults.lagMs = 60_000
      // A deployment: two come, then two go.
      register([4, 5])
      await passes(client, 90_000)
      expect(tasksOf(client)).toBe('1 2 3 4 5')
      for (const task of [1, 2]) aws.deregister(HOST, `task-${task}`)
      await passes(client, 180_000)
      expect(tasksOf(client)).toBe('3 4 5')
      await passes(client, 400_000)
      const moves = changes
        .slice(1)
        .flatMap(({ added, removed }) => [
          ...added.map((place) => `+${place.split(':')[0]}`),
          ...removed.map((place) => `-${place.split(':')[0]}`),
        ])
      expect(moves.toSorted()).toEqual(['+10.0.0.4', '+10.0.0.5', '-10.0.0.1', '-10.0.0.2'])
    },
  )

  test('DNS down: the API is polled instead, and a warning says so', async () => {
    register([1, 2, 3])
    const client = await started()
    aws.dns.faults.answer = 'servfail'
    await passes(client, 60_000)
    newCalls()
    register([4])
    aws.deregister(HOST, 'task-1')
    await passes(client, 65_000)
    expect(tasksOf(client)).toBe('2 3 4')
    expect(inspect(client)?.warning).toContain('DNS fails, and the API is polled instead')
    expect(inspect(client)?.failedLookups).toBe(0)
    aws.dns.faults.clear()
    await passes(client, 120_000)
    expect(inspect(client)?.warning).toBeUndefined()
    expect(tasksOf(client)).toBe('2 3 4')
    newCalls()
    await passes(client, 240_000)
    expect(newCalls().reads).toBeLessThanOrEqual(1)
  }, 60_000)
})

describe('in an HTTP namespace', () => {
  const STOCK = 'stock.internal'

  test('polls slow down to one a minute, and a change brings them back', async () => {
    aws.addNamespace('internal', { type: 'http' })
    aws.addService(STOCK)
    register([1, 2], STOCK)
    const client = await started(STOCK)
    await passes(client, 300_000, STOCK)
    newCalls()
    await passes(client, 600_000, STOCK)
    const quiet = newCalls()
    expect(quiet.reads + quiet.revisions).toBeGreaterThanOrEqual(9)
    expect(quiet.reads + quiet.revisions).toBeLessThanOrEqual(11)
    register([3], STOCK)
    await passes(client, 66_000, STOCK)
    expect(tasksOf(client, STOCK)).toBe('1 2 3')
    newCalls()
    register([4], STOCK)
    await passes(client, 6_000, STOCK)
    // The last change is a minute ago at most: some of its polls may be over.
    await passes(client, 60_000, STOCK)
    expect(tasksOf(client, STOCK)).toBe('1 2 3 4')
  })

  test('a service without tasks is found within 10 s of its first task', async () => {
    aws.addNamespace('internal', { type: 'http' })
    aws.addService(STOCK)
    const client = await started(STOCK)
    await passes(client, 120_000, STOCK)
    register([1], STOCK)
    await passes(client, 11_500, STOCK)
    expect(tasksOf(client, STOCK)).toBe('1')
  })
})

describe('intervals of your own', () => {
  test('are kept in a DNS namespace, too', async () => {
    register([1, 2])
    const client = keep(
      createClient({
        namespaces: ['shop.local'],
        dns: { servers: [aws.dns.server] },
        cloudMap: { ...aws.cloudMap, revisionMs: 5_000, fullReadMs: 30_000 },
        clock,
        random: seededRandom(1),
      }),
    )
    await client.resolve(HOST)
    newCalls()
    await passes(client, 120_000)
    const { reads, revisions } = newCalls()
    expect(reads).toBeGreaterThanOrEqual(3)
    expect(reads).toBeLessThanOrEqual(5)
    expect(revisions).toBeGreaterThanOrEqual(17)
    expect(revisions).toBeLessThanOrEqual(23)
  })
})

describe('what it costs', () => {
  test('inspect() shows: counts, and the price of a month at this rate', async () => {
    register([1, 2])
    const client = await started()
    await passes(client, 900_000)
    const { dnsQueries = 0, apiCalls, apiCallsPerMonth = 0, pricePerMonth } = inspect(client)?.cost ?? {}
    expect(dnsQueries).toBe(aws.dns.queries)
    expect(apiCalls?.DiscoverInstances).toBe(aws.cloudMap.calls['DiscoverInstances'])
    expect(apiCalls?.DiscoverInstancesRevision).toBe(0)
    // 3 in a quarter of an hour, and the first.
    expect([8_640, 11_520]).toContain(apiCallsPerMonth)
    expect(pricePerMonth).toBe(apiCallsPerMonth / 1_000_000)
  })

  test('second tries of the SDK count, and so does another price', async () => {
    register([1, 2])
    aws.cloudMap.faults.answer = 'unavailable'
    const client = keep(
      createClient({
        namespaces: ['shop.local'],
        dns: { servers: [aws.dns.server] },
        cloudMap: { ...aws.cloudMap, pricePerMillion: 2 },
        clock,
      }),
    )
    await client.resolve(HOST).catch(() => undefined)
    await passes(client, 1_000)
    // A call counts with its end; the SDK may be waiting for its second try.
    const missing = (): number =>
      (aws.cloudMap.calls['DiscoverInstances'] ?? 0) -
      (inspect(client)?.cost?.apiCalls?.DiscoverInstances ?? 0)
    await expect.poll(missing, { timeout: 5_000 }).toBe(0)
    const { apiCalls, apiCallsPerMonth = 0, pricePerMonth } = inspect(client)?.cost ?? {}
    expect(apiCalls?.DiscoverInstances).toBeGreaterThan(1)
    expect(pricePerMonth).toBe((apiCallsPerMonth * 2) / 1_000_000)
  })
})
