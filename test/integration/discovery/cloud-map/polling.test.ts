/** What polling asks of the Cloud Map API: the unmodified SDK against the local AWS, on virtual time. */
import { beforeEach, describe, expect, test } from 'vitest'
import { SnapshotCache } from '../../../../src/discovery/cache.ts'
import type { CloudMapOptions } from '../../../../src/discovery/cloud-map/options.ts'
import { cloudMapResolver } from '../../../../src/discovery/cloud-map/resolver.ts'
import type { Snapshot } from '../../../../src/discovery/endpoint.ts'
import type { Resolver } from '../../../../src/discovery/resolver.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import type { ServiceView } from '../../../../src/discovery/view/service-view.ts'
import { startLocalAws, type LocalAws } from '../../../../src/testing/local-aws/index.ts'
import { manualClock, type ManualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'
import { resources } from '../../../support/resources.ts'
import { apiError, apiServer, instances, type Respond } from '../../../support/cloud-map-server.ts'
import { eventsOf } from '../../../support/events.ts'

const HOST = 'orders.shop.local'
const ORDERS = parseServiceName(HOST, ['shop.local'])
const DISCOVER = 'DiscoverInstances'
const REVISION = 'DiscoverInstancesRevision'

const { keep } = resources()
let aws: LocalAws
let clock: ManualClock

beforeEach(async () => {
  aws = keep(await startLocalAws())
  clock = manualClock()
  aws.addService(HOST, { customHealth: true })
  aws.register(HOST, 'task-1', { ipv4: '10.0.1.1', port: 8080, zone: 'eu-west-1a' })
  aws.register(HOST, 'task-2', { ipv4: '10.0.1.2', port: 8080, zone: 'eu-west-1b' })
})

function resolver(options: CloudMapOptions = {}): Resolver & AsyncDisposable {
  const made = cloudMapResolver({ ...aws.cloudMap, clock, random: { next: () => 0.5 }, ...options })
  return keep(Object.assign(made, { [Symbol.asyncDispose]: async () => made.close?.() }))
}

function ask(of: Resolver): Promise<Snapshot> {
  return of.resolve(ORDERS, new AbortController().signal)
}

/** What was called since the last time that this was asked. */
function newCalls(): Readonly<Record<string, number>> {
  const before = counted
  counted = { ...aws.cloudMap.calls }
  const names = Object.keys(counted)
  return Object.fromEntries(
    names
      .map((name) => [name, (counted[name] ?? 0) - (before[name] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  )
}
let counted: Readonly<Record<string, number>> = {}
beforeEach(() => {
  counted = {}
})

describe('revision polling', () => {
  test('the first lookup reads, the next asks for the revision, and the set stays the same object', async () => {
    const api = resolver()
    const first = await ask(api)
    expect(newCalls()).toEqual({ [DISCOVER]: 1 })
    await clock.advance(5_000)
    const second = await ask(api)
    expect(newCalls()).toEqual({ [REVISION]: 1 })
    expect(second.endpoints).toBe(first.endpoints)
    expect(second).toMatchObject({ revision: first.revision, complete: true, expiresAt: 10_000 })
  })

  test('another revision is read at once', async () => {
    const api = resolver()
    await ask(api)
    newCalls()
    aws.register(HOST, 'task-3', { ipv4: '10.0.1.3', port: 8080 })
    await clock.advance(5_000)
    const changed = await ask(api)
    expect(newCalls()).toEqual({ [REVISION]: 1, [DISCOVER]: 1 })
    expect(changed.endpoints.map(({ address }) => address).toSorted()).toEqual([
      '10.0.1.1',
      '10.0.1.2',
      '10.0.1.3',
    ])
    expect((await ask(api)).endpoints).toBe(changed.endpoints)
  })

  test('health does not change the revision: after 30 s the instances are read anyway', async () => {
    const api = resolver()
    await ask(api)
    aws.setHealth(HOST, 'task-1', 'UNHEALTHY')
    await clock.advance(29_999)
    expect((await ask(api)).endpoints).toHaveLength(2)
    await clock.advance(1)
    expect((await ask(api)).endpoints.map(({ id }) => id)).toEqual(['task-2'])
  })

  test('all unhealthy: all are named', async () => {
    const api = resolver()
    for (const id of ['task-1', 'task-2']) aws.setHealth(HOST, id, 'UNHEALTHY')
    expect((await ask(api)).endpoints).toHaveLength(2)
  })

  test('fullReadMs and revisionMs can be set', async () => {
    const api = resolver({ revisionMs: 1_000, fullReadMs: 2_000 })
    expect((await ask(api)).expiresAt).toBe(1_000)
    await clock.advance(1_999)
    await ask(api)
    await clock.advance(1)
    await ask(api)
    expect(aws.cloudMap.calls).toEqual({ [DISCOVER]: 2, [REVISION]: 1 })
  })

  test('more than 100 instances are all read', async () => {
    for (let i = 1; i <= 250; i++) aws.register(HOST, `t-${i}`, { ipv4: `10.0.2.${i}` })
    expect((await ask(resolver())).endpoints).toHaveLength(252)
  })

  test('a namespace without DNS is as good as any', async () => {
    aws.addNamespace('internal', { type: 'http' })
    aws.addService('stock.internal')
    aws.register('stock.internal', 'task-9', { ipv4: '10.0.1.9', port: 80 })
    const stock = parseServiceName('stock.internal', ['internal'])
    const told = await resolver().resolve(stock, new AbortController().signal)
    expect(told.endpoints).toMatchObject([{ address: '10.0.1.9', port: 80 }])
  })
})

describe('where revisions cannot be had', () => {
  const only = (operation: string, otherwise: Respond): Respond => {
    const list = instances([{ InstanceId: 't1', Attributes: { AWS_INSTANCE_IPV4: '10.0.1.1' } }])
    return (response, call) => (call.target?.endsWith(operation) ? otherwise : list)(response, call)
  }

  test.each([
    [
      'denied',
      400,
      'AccessDeniedException',
      'the role of this task needs servicediscovery:DiscoverInstancesRevision',
    ],
    ['not known to a server that is not AWS', 400, 'UnknownOperationException', 'UnknownOperation'],
  ])(
    '%s: every lookup is a read, which is said once; it is tried again after 5 minutes',
    async (_, status, code, told) => {
      const events = eventsOf('onehop:revision.denied')
      const server = await apiServer(only(REVISION, apiError(status, code)))
      const api = resolver({ endpoint: server.endpoint })
      const asked = (): number => server.calls.filter(({ target }) => target?.endsWith(REVISION)).length
      for (let poll = 0; poll < 10; poll++) {
        expect((await ask(api)).endpoints).toHaveLength(1)
        await clock.advance(5_000)
      }
      expect(asked()).toBe(1)
      expect(server.calls).toHaveLength(11)
      expect(events).toMatchObject([{ host: HOST }])
      expect(events[0]?.error.message).toContain(told)
      await clock.advance(300_000)
      await ask(api)
      await ask(api)
      expect(asked()).toBe(2)
    },
  )

  test('a server without revisions is read each time', async () => {
    const server = await apiServer((response) => response.end('{"Instances":[]}'))
    const api = resolver({ endpoint: server.endpoint })
    for (let poll = 0; poll < 3; poll++) await ask(api)
    expect(server.calls.map(({ target }) => target?.split('.')[1])).toEqual([DISCOVER, DISCOVER, DISCOVER])
  })

  test('after a read that is behind the revision, the next lookup reads again', async () => {
    const revisions = [7, 8, 8]
    const server = await apiServer((response, call) => {
      if (call.target?.endsWith(REVISION)) return instances([], 8)(response, call)
      instances([], revisions.shift())(response, call)
    })
    const api = resolver({ endpoint: server.endpoint })
    for (let poll = 0; poll < 4; poll++) await ask(api)
    expect(server.calls.map(({ target }) => target?.split('.')[1])).toEqual([
      DISCOVER,
      REVISION,
      DISCOVER,
      REVISION,
      REVISION,
    ])
  })

  test('throttled: the lookup fails without a read on top of it', async () => {
    const api = resolver()
    await ask(api)
    newCalls()
    aws.cloudMap.faults.answer = 'throttle'
    await expect(ask(api)).rejects.toMatchObject({ failure: 'outage' })
    // The SDK's own second attempt among them.
    expect(newCalls()).toEqual({ [REVISION]: 2 })
  })
})

describe('credentials that expire', () => {
  test('are asked for anew when AWS says so, and the call is made again', async () => {
    let key = 0
    const server = await apiServer((response, call) => {
      const isOld = call.headers.authorization?.includes('KEY1') ?? false
      const respond =
        isOld && key > 0 && server.calls.length > 1 ? apiError(400, 'ExpiredTokenException') : instances([])
      respond(response, call)
    })
    const credentials = (): Promise<{ accessKeyId: string; secretAccessKey: string }> =>
      Promise.resolve({ accessKeyId: `KEY${++key}`, secretAccessKey: 'secret' })
    const api = resolver({ endpoint: server.endpoint, credentials })
    for (let poll = 0; poll < 3; poll++) await ask(api)
    expect(key).toBe(2)
    expect(server.calls).toHaveLength(4)
  })

  test('and are replaced by none that are better: an error, and no loop', async () => {
    const server = await apiServer(apiError(400, 'ExpiredTokenException'))
    const api = resolver({ endpoint: server.endpoint })
    await expect(ask(api)).rejects.toMatchObject({ failure: 'denied' })
    expect(server.calls).toHaveLength(2)
  })
})

describe('what it costs', () => {
  /** Lets virtual time pass, while the lookups that it starts take their real time. */
  const pass = async (ms: number, views: readonly ServiceView[]): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 250) {
      await clock.advance(250)
      const isBusy = ({ lookups, refreshes, failures }: ServiceView): boolean =>
        lookups > refreshes + failures
      while (views.some(isBusy)) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  function viewsOf(count: number): readonly ServiceView[] {
    const random = seededRandom(3)
    const api = cloudMapResolver({ ...aws.cloudMap, clock, random })
    const cache = new SnapshotCache({ resolver: api, clock, random })
    keep({ [Symbol.asyncDispose]: () => cache.close() })
    return Array.from({ length: count }, (_, index) => {
      const host = `s${index}.shop.local`
      aws.addService(host)
      return cache.view(parseServiceName(host, ['shop.local']))
    })
  }

  test('an active service: at most 12 revision calls and 2 reads a minute; an idle one: none', async () => {
    const views = viewsOf(5)
    for (const view of views) await view.whenUsable()
    await pass(60_000, views)
    newCalls()
    for (let minute = 0; minute < 4; minute++) {
      for (const view of views) view.usedAt = clock.now()
      await pass(60_000, views)
      const calls = newCalls()
      expect(calls[REVISION]).toBeLessThanOrEqual(12 * views.length)
      expect(calls[DISCOVER]).toBeLessThanOrEqual(2 * views.length)
      expect((calls[REVISION] ?? 0) + (calls[DISCOVER] ?? 0)).toBeGreaterThan(10 * views.length)
    }
    await pass(70_000, views)
    newCalls()
    await pass(300_000, views)
    expect(newCalls()).toEqual({})
    // Hundreds of calls of the SDK.
  }, 60_000)

  test('clients that start together do not poll in step for long', async () => {
    const views = viewsOf(20)
    await Promise.all(views.map((view) => view.whenUsable()))
    await pass(50_000, views)
    const due = views.map((view) => Math.floor(view.dueAt / 500))
    expect(new Set(due).size).toBeGreaterThan(4)
  })

  test('many services share one SDK client and its connection', async () => {
    const server = await apiServer(instances([]))
    const api = resolver({ endpoint: server.endpoint })
    for (let i = 0; i < 20; i++)
      await api.resolve(parseServiceName(`s${i}.shop.local`, ['shop.local']), new AbortController().signal)
    expect(server.calls).toHaveLength(20)
    expect(server.connections).toBe(1)
  })
})
