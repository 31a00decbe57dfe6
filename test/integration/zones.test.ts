/**
 * Clients that know from the task metadata where they are, against a local AWS and real tasks.
 */
import { createClient, roundRobin, type Client, type ClientOptions } from 'onehop'
import { manualClock, startLocalAws, type LocalAws } from 'onehop/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { eventsOf } from '../support/events.ts'
import { ORIGIN } from '../support/clients.ts'
import { startServers, type TestServer } from '../support/servers.ts'

/** On a busy machine; the default is one second. */
const PATIENT = { timeout: 20_000 }

const HOST = 'orders.shop.local'
let aws: LocalAws
let tasks: TestServer[]
const clients: Client[] = []

beforeEach(async () => {
  aws = await startLocalAws({
    task: { zone: 'eu-west-1b', ipv4: '127.0.1.2', ipv4Subnet: '127.0.1.2/31', ipv6: undefined },
  })
  aws.addService(HOST, { ttlSeconds: 60 })
  tasks = await startServers(3)
  for (const [index, task] of tasks.entries()) {
    aws.register(HOST, `task-${index + 1}`, {
      ipv4: `127.0.1.${index + 1}`,
      port: task.port,
      zone: `eu-west-1${'abc'[index]}`,
    })
  }
})

afterEach(async () => {
  vi.unstubAllEnvs()
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
    discovery: 'api',
    port: tasks[0]?.port ?? 0,
    ...options,
  })
  clients.push(made)
  return made
}

function onEcs(): void {
  for (const [name, value] of Object.entries(aws.metadata.env)) vi.stubEnv(name, value)
}

/** Calls one after the other, and the share of them that went to the second task, in eu-west-1b. */
async function localShare(from: Client, calls = 200): Promise<number> {
  // The first call sets off the lookup of the metadata, and does not wait for it.
  await (await from.fetch(ORIGIN)).text()
  await vi.waitFor(() => expect(from.inspect().services[HOST]?.origins[ORIGIN]).toBeDefined(), PATIENT)
  const before = tasks[1]?.seen.length ?? 0
  for (let call = 0; call < calls; call++) await (await from.fetch(ORIGIN)).text()
  return ((tasks[1]?.seen.length ?? 0) - before) / calls
}

async function untilKnown(from: Client): Promise<void> {
  await vi.waitFor(async () => {
    await (await from.fetch(ORIGIN)).text()
    expect(from.inspect().services[HOST]?.origins[ORIGIN]?.zones).toBeDefined()
  }, PATIENT)
}

describe('in an ECS task', () => {
  test.each(['/run/app.sock', 'http', '99999'])('a PORT that is none (%s) costs no zone', async (port) => {
    const unknown = eventsOf('onehop:location.unknown')
    onEcs()
    vi.stubEnv('PORT', port)
    const made = client()
    await untilKnown(made)
    expect(made.inspect().services[HOST]?.origins[ORIGIN]?.zones?.own).toBe('eu-west-1b')
    expect(unknown).toEqual([])
  })

  test('calls stay in its zone, and inspect() says so', async () => {
    onEcs()
    // No time passes: all tasks are equally quick.
    const made = client({ clock: manualClock() })
    await untilKnown(made)
    expect(await localShare(made)).toBeGreaterThan(0.9)
    const origin = made.inspect().services[HOST]?.origins[ORIGIN]
    expect(origin?.zones).toEqual({
      own: 'eu-west-1b',
      localShare: 0.98,
      shares: { 'eu-west-1a': 0, 'eu-west-1b': 1, 'eu-west-1c': 0 },
    })
    expect(origin?.upstreams.map(({ zone, isLocal }) => [zone, isLocal]).toSorted()).toEqual([
      ['eu-west-1a', false],
      ['eu-west-1b', true],
      ['eu-west-1c', false],
    ])
  })

  test('over DNS, which has no zones, calls stay in its subnet', async () => {
    onEcs()
    const made = client({ discovery: 'dns', balancer: roundRobin(), clock: manualClock() })
    await untilKnown(made)
    // 127.0.1.2/31 holds the second and the third.
    expect(await localShare(made)).toBeCloseTo(0.49, 1)
    const { upstreams } = made.inspect().services[HOST]?.origins[ORIGIN] ?? { upstreams: [] }
    expect(
      upstreams
        .filter(({ isLocal }) => isLocal)
        .map(({ upstream }) => upstream)
        .toSorted(),
    ).toEqual(['127.0.1.2', '127.0.1.3'].map((address) => `${address}:${tasks[0]?.port}`))
  })

  test('`zone: false` calls all zones alike, and asks for no metadata', async () => {
    onEcs()
    const made = client({ zone: false })
    await localShare(made, 10)
    expect(made.inspect().services[HOST]?.origins[ORIGIN]?.zones).toBeUndefined()
    expect(aws.metadata.requests).toBe(0)
  })

  test('what the user says goes before what the metadata says', async () => {
    onEcs()
    const made = client({ zone: { own: 'eu-west-1c' } })
    await untilKnown(made)
    expect(made.inspect().services[HOST]?.origins[ORIGIN]?.zones?.own).toBe('eu-west-1c')
  })

  test('the zones of its own service count, where that is named', async () => {
    onEcs()
    aws.addService('checkout.shop.local', { ttlSeconds: 60 })
    const callers = [
      ['eu-west-1b', '127.0.2.1'],
      ['eu-west-1b', '127.0.2.2'],
      ['eu-west-1a', '127.0.2.3'],
    ] as const
    for (const [zone, ipv4] of callers)
      aws.register('checkout.shop.local', `task-${ipv4}`, { ipv4, port: 1, zone })
    const made = client({ zone: { peers: 'Checkout.shop.local' } })
    await untilKnown(made)
    await vi.waitFor(async () => {
      await (await made.fetch(ORIGIN)).text()
      const shares = made.inspect().services[HOST]?.origins[ORIGIN]?.zones?.shares
      // A third of the tasks for two thirds of the callers; c has tasks and no callers.
      expect(shares).toMatchObject({ 'eu-west-1a': 0, 'eu-west-1b': expect.closeTo(0.5) as number })
    }, PATIENT)
  })

  test('metadata that cannot be read is reported, and calls go to all zones', async () => {
    onEcs()
    const events = eventsOf('onehop:location.unknown')
    aws.metadata.faults.answer = 'not-json'
    const made = client()
    await localShare(made, 10)
    await vi.waitFor(() => expect(events).toHaveLength(1), PATIENT)
    expect(made.inspect().services[HOST]?.origins[ORIGIN]?.zones).toBeUndefined()
  })

  test('close() gives up on metadata that is silent', async () => {
    onEcs()
    aws.metadata.faults.answer = 'hang'
    const made = client()
    await (await made.fetch(ORIGIN)).text()
    await vi.waitFor(() => expect(aws.metadata.requests).toBeGreaterThan(0), PATIENT)
    await made.close()
    expect(aws.metadata.requests).toBe(2)
  })
})

test('off ECS nothing is reported, and calls go to all zones', async () => {
  vi.stubEnv('ECS_CONTAINER_METADATA_URI_V4', undefined)
  vi.stubEnv('ECS_CONTAINER_METADATA_URI', undefined)
  const events = eventsOf('onehop:location.unknown')
  const made = client()
  await localShare(made, 10)
  expect(events).toEqual([])
  expect(made.inspect().services[HOST]?.origins[ORIGIN]?.zones).toBeUndefined()
})
