import { describe, expect, test } from 'vitest'
import { consistentHash } from '../../../../src/balancer/consistent-hash.ts'
import type { ClusterOptions } from '../../../../src/cluster/cluster.ts'
import type { TaskLocation } from '../../../../src/cluster/locality/locality.ts'
import type { Upstream } from '../../../../src/cluster/upstream.ts'
import type { LocationSource } from '../../../../src/cluster/locality/caller-locality.ts'
import { SnapshotCache } from '../../../../src/discovery/cache.ts'
import { taskEndpoint, type Endpoint } from '../../../../src/discovery/endpoint.ts'
import type { ServiceView } from '../../../../src/discovery/view/service-view.ts'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { scriptedResolver } from '../../../../src/testing/fakes/scripted-resolver.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'
import {
  answered,
  FALLBACK,
  hint,
  refused,
  testCluster,
  type TestCluster,
} from '../../../support/clusters.ts'

const ZONES = ['a', 'b', 'c'] as const
const IN_A: TaskLocation = location({ zone: 'a' })

function location(known: Partial<TaskLocation>): TaskLocation {
  return { zone: undefined, subnets: [], instanceId: undefined, addresses: [], ...known }
}

/** `{ a: 3, b: 2 }`: three tasks in zone a at 10.0.1.x, two in zone b at 10.0.2.x. */
function tasksIn(counts: Partial<Record<'a' | 'b' | 'c', number>>, tellsZones = true): Endpoint[] {
  return ZONES.flatMap((zone, index) =>
    Array.from({ length: counts[zone] ?? 0 }, (_, task) =>
      taskEndpoint(`10.0.${index + 1}.${task + 1}`, { port: 80, ...(tellsZones ? { zone } : {}) }),
    ),
  )
}

function standing(
  endpoints: readonly Endpoint[],
  at: TaskLocation | LocationSource,
  options: Partial<ClusterOptions> = {},
  peers?: ServiceView,
): Promise<TestCluster> {
  const source = 'location' in at ? at : { location: at }
  return testCluster(endpoints, { callerLocality: { source, peers }, ...options })
}

/** Calls by zone, of calls made one after the other; the third number of an address is its zone. */
function calls({ cluster, clock }: TestCluster, count: number): Record<string, number> {
  const seen: Record<string, number> = { a: 0, b: 0, c: 0 }
  for (let call = 0; call < count; call++) {
    const upstream = cluster.pick(hint(clock.now()), [], false)
    if (upstream === undefined) throw new Error('nothing picked')
    const zone = ZONES[Number(upstream.endpoint.address.split('.')[2]) - 1] ?? 'none'
    seen[zone] = (seen[zone] ?? 0) + 1
    cluster.report(upstream, answered(), clock.now())
  }
  return seen
}

describe('in a known zone', () => {
  test('a client calls the tasks of its zone, except for a few calls that keep the estimates of others fresh', async () => {
    const seen = calls(await standing(tasksIn({ a: 3, b: 3, c: 3 }), IN_A), 2_000)
    expect(seen['a']).toBeGreaterThan(0.96 * 2_000)
    expect(seen['b']).toBeGreaterThan(5)
    expect(seen['c']).toBeGreaterThan(5)
  })

  test('DNS reports no zones: addresses in the subnet of the caller are local', async () => {
    const own = location({ subnets: [{ network: '10.0.1.0', bits: 24 }] })
    const seen = calls(await standing(tasksIn({ a: 3, b: 3, c: 3 }, false), own), 2_000)
    expect(seen['a']).toBeGreaterThan(0.96 * 2_000)
  })

  test('a retry goes to any zone', async () => {
    const set = await standing(tasksIn({ a: 3, b: 3, c: 3 }), IN_A)
    const [first] = set.cluster.tasks
    if (first === undefined) throw new Error('no tasks')
    const retries = Array.from({ length: 300 }, () => set.cluster.pick(hint(0), [first], false))
    expect(retries.filter((upstream) => upstream?.endpoint.zone !== 'a').length).toBeGreaterThan(150)
  })

  test('as many calls stay as the available tasks of the zone can take', async () => {
    const set = await standing(tasksIn({ a: 3, b: 3, c: 3 }), IN_A)
    const [one, other] = set.cluster.tasks
    if (one === undefined || other === undefined) throw new Error('no tasks')
    set.cluster.report(one, refused(), 0)
    set.cluster.report(other, refused(), 0)
    // 1 of 7 tasks: 1.2 × 3/7 of what a third of the callers needs.
    expect(calls(set, 5_000)['a']).toBeGreaterThan(5_000 * 0.48)
    expect(set.cluster.zones?.localShare).toBeCloseTo(0.514)
    const [, , last] = set.cluster.tasks
    if (last === undefined) throw new Error('no tasks')
    set.cluster.report(last, refused(), 0)
    expect(calls(set, 300)['a']).toBe(0)
  })

  test('tasks that are deregistered count like ejected ones', async () => {
    const set = await standing(tasksIn({ a: 3, b: 3, c: 3 }), IN_A)
    set.resolver.answer(tasksIn({ a: 1, b: 3, c: 3 }))
    await set.clock.advance(10_000)
    set.cluster.reconcileIfChanged(set.clock.now())
    expect(set.cluster.zones?.localShare).toBeCloseTo(0.514)
  })

  test('a queue at the only local task sends calls elsewhere before it has answered one', async () => {
    const set = await standing(tasksIn({ a: 1, b: 1, c: 1 }), IN_A)
    calls(set, 1_000)
    let stayed = 0
    for (let call = 0; call < 500; call++) {
      const upstream = set.cluster.pick(hint(set.clock.now()), [], false)
      if (upstream === undefined) throw new Error('nothing picked')
      // Tasks elsewhere answer at once; the local one hangs.
      if (upstream.endpoint.zone !== 'a') set.cluster.report(upstream, answered(), set.clock.now())
      else {
        upstream.begin(set.clock.now())
        stayed++
      }
    }
    expect(stayed).toBeLessThan(10)
  })

  test('a crowd that exists from the start becomes usual: calls stay', async () => {
    const set = await standing(tasksIn({ a: 2, b: 2, c: 2 }), IN_A)
    const line: { upstream: Upstream; until: number }[] = []
    let stayed = 0
    // 60 callers, each of which waits 100 ms for its answer and calls again.
    for (let now = 0; now < 60_000; now += 10) {
      while (line[0] !== undefined && line[0].until <= now) {
        const { upstream } = line.shift() as { upstream: Upstream; until: number }
        upstream.stopWaiting(answered(), now)
        set.cluster.report(upstream, answered(200, 100), now)
        upstream.end()
      }
      while (line.length < 60) {
        const upstream = set.cluster.pick(hint(now), [], false)
        if (upstream === undefined) throw new Error('nothing picked')
        upstream.begin(now)
        line.push({ upstream, until: now + 100 })
        if (now >= 50_000 && upstream.endpoint.zone === 'a') stayed++
      }
    }
    expect(stayed / 6_000).toBeGreaterThan(0.95)
  })

  test('a zone that answers three times slower is left in steps, and returned to', async () => {
    const set = await standing(tasksIn({ a: 3, b: 3, c: 3 }), IN_A)
    let localMs = 10
    const second = async (): Promise<number> => {
      let local = 0
      for (let call = 0; call < 200; call++) {
        const upstream = set.cluster.pick(hint(set.clock.now()), [], false)
        if (upstream === undefined) throw new Error('nothing picked')
        const isLocal = upstream.endpoint.zone === 'a'
        if (isLocal) local++
        set.cluster.report(upstream, answered(200, isLocal ? localMs : 10), set.clock.now())
        if (call % 20 === 0) await set.clock.advance(100)
      }
      return local / 200
    }
    for (let i = 0; i < 20; i++) await second()
    expect(set.cluster.zones?.localShare).toBeCloseTo(0.98)
    localMs = 19
    for (let i = 0; i < 20; i++) await second()
    expect(set.cluster.zones?.localShare).toBeCloseTo(0.98)
    localMs = 60
    for (let i = 0; i < 20; i++) await second()
    expect(await second()).toBeLessThan(0.1)
    localMs = 10
    for (let i = 0; i < 40; i++) await second()
    expect(await second()).toBeGreaterThan(0.94)
  })

  test('the fallback takes its share first, zones divide what is left', async () => {
    const set = await standing(tasksIn({ a: 2, b: 2 }), IN_A, { fallback: FALLBACK })
    for (const upstream of set.cluster.tasks.slice(0, 3)) set.cluster.report(upstream, refused(), 0)
    // 1 of 4 tasks: 35 % stay direct.
    expect(set.cluster.directShare).toBeCloseTo(0.35)
    const picked = Array.from({ length: 1_000 }, () => set.cluster.pick(hint(0), [], false))
    const direct = picked.filter((upstream) => upstream?.endpoint.tier === 0).length
    expect(direct).toBeGreaterThan(300)
    expect(direct).toBeLessThan(400)
  })
})

describe('zones do not matter', () => {
  test.each([
    ['where the own one is unknown', tasksIn({ a: 3, b: 3, c: 3 }), { location: undefined }],
    ['where no task is in the own one', tasksIn({ b: 3, c: 3 }), IN_A],
    ['where all tasks are in the own one', tasksIn({ a: 4 }), IN_A],
    ['where discovery tells none and the subnet is unknown', tasksIn({ a: 3, b: 3, c: 3 }, false), IN_A],
  ])('%s', async (_where, endpoints, at) => {
    const seen = calls(await standing(endpoints, at), 900)
    const inZones = ZONES.filter((_, index) =>
      endpoints.some(({ address }) => address.startsWith(`10.0.${index + 1}.`)),
    )
    for (const zone of inZones) expect(seen[zone]).toBeGreaterThan(900 / inZones.length / 1.3)
  })

  test('to a balancer that places calls by key: a key has one task for clients in all zones', async () => {
    const random = seededRandom(1)
    const set = await standing(tasksIn({ a: 3, b: 3, c: 3 }), IN_A, {
      balancer: consistentHash({ header: 'x-user', random }),
    })
    expect(set.cluster.zones).toBeUndefined()
  })
})

test('tasks that left and the load balancer say nothing about other zones', async () => {
  const endpoints = tasksIn({ a: 3, b: 3 })
  const set = await standing(endpoints, IN_A, { fallback: FALLBACK })
  const { cluster, clock, resolver } = set
  const leaving = cluster.tasks.filter(({ endpoint }) => endpoint.zone === 'a').slice(0, 2)
  resolver.answer(
    endpoints.filter(({ address }) => !leaving.some(({ endpoint }) => endpoint.address === address)),
  )
  await clock.advance(60_000)
  await cluster.view.whenUsable()
  cluster.reconcileIfChanged(clock.now())
  expect(cluster.tasks).toHaveLength(4)
  const share = cluster.zones?.localShare ?? Number.NaN
  // Local calls take 100 ms, those of the others 1 ms: if they counted as another zone, calls would leave.
  const local = cluster.tasks.find(({ endpoint }) => endpoint.zone === 'a') as Upstream
  for (let call = 0; call < 200; call++) {
    await clock.advance(50)
    const now = clock.now()
    cluster.report(local, answered(200, 100), now)
    for (const other of [...leaving, cluster.fallback as Upstream])
      cluster.report(other, answered(200, 1), now)
  }
  expect(cluster.zones?.localShare).toBeCloseTo(share, 5)
})

test('a location that becomes known later counts from then on', async () => {
  const source: { location: TaskLocation | undefined } = { location: undefined }
  const set = await standing(tasksIn({ a: 3, b: 3, c: 3 }), source)
  const before = [...set.cluster.tasks]
  expect(calls(set, 900)['a']).toBeLessThan(450)
  source.location = IN_A
  set.cluster.reconcileIfChanged(0)
  expect(calls(set, 900)['a']).toBeGreaterThan(850)
  expect(set.cluster.tasks).toEqual(before)
  expect(set.departed).toEqual([])
})

describe('with the peers of the caller known', () => {
  async function peersIn(counts: Parameters<typeof tasksIn>[0]): Promise<ServiceView> {
    const clock = manualClock()
    const resolver = scriptedResolver(clock, tasksIn(counts))
    const view = new SnapshotCache({ resolver, clock, random: seededRandom(2) }).view({
      host: 'checkout.shop.local',
      service: 'checkout',
      namespace: 'shop.local',
    })
    await view.whenUsable()
    return view
  }

  test('calls leave in proportion to the excess of callers over tasks, to zones with spare capacity', async () => {
    const peers = await peersIn({ a: 4, b: 4, c: 2 })
    const set = await standing(tasksIn({ a: 2, b: 2, c: 6 }), IN_A, {}, peers)
    const seen = calls(set, 4_000)
    expect((seen['a'] ?? 0) / 4_000).toBeCloseTo(0.5, 1)
    expect((seen['c'] ?? 0) / 4_000).toBeCloseTo(0.5, 1)
    expect(seen['b']).toBe(0)
    expect(set.cluster.zones?.shares).toEqual(
      new Map([
        ['a', 0.5],
        ['b', 0],
        ['c', 0.5],
      ]),
    )
  })

  test('a client whose peers are unknown assumes an even spread, and looks them up again', async () => {
    const clock = manualClock()
    const resolver = scriptedResolver(clock, new Error('no such service'))
    const peers = new SnapshotCache({ resolver, clock, random: seededRandom(2) }).view({
      host: 'checkout.shop.local',
      service: 'checkout',
      namespace: 'shop.local',
    })
    const set = await standing(tasksIn({ a: 1, b: 3, c: 3 }), IN_A, {}, peers)
    await clock.advance(0)
    expect(resolver.lookups).toHaveLength(1)
    expect(set.cluster.zones?.localShare).toBeCloseTo(0.514)
    resolver.answer(tasksIn({ a: 1, b: 9, c: 9 }))
    await clock.advance(10_000)
    set.cluster.reconcileIfChanged(set.clock.now())
    // 1 of 7 tasks for 1 of 19 callers.
    expect(set.cluster.zones?.localShare).toBeCloseTo(0.98)
  })
})

describe('a subset', () => {
  test('is one of the local zone, and one of the others for what spills', async () => {
    const set = await standing(tasksIn({ a: 20, b: 20, c: 20 }), IN_A, {
      subset: { size: 5, clientId: 'client-1' },
    })
    const zones = set.cluster.tasks.map(({ endpoint }) => endpoint.zone)
    expect(zones.filter((zone) => zone === 'a')).toHaveLength(5)
    expect(zones).toHaveLength(10)
    // By the capacity of all tasks, not only of those that are called.
    expect(set.cluster.zones?.shares.get('a')).toBe(1)
  })

  test('is an equal part for each peer in the zone if the peers are known', async () => {
    const peers = tasksIn({ a: 4, b: 4 })
    const load = new Map<string, number>()
    for (const peer of peers.slice(0, 4)) {
      const clock = manualClock()
      const view = new SnapshotCache({
        resolver: scriptedResolver(clock, peers),
        clock,
        random: seededRandom(2),
      }).view({ host: 'checkout.shop.local', service: 'checkout', namespace: 'shop.local' })
      await view.whenUsable()
      const at = location({ zone: 'a', addresses: [peer.address] })
      const set = await standing(tasksIn({ a: 8, b: 8 }), at, { subset: { size: 4, clientId: '' } }, view)
      for (const { endpoint, label } of set.cluster.tasks)
        if (endpoint.zone === 'a') load.set(label, (load.get(label) ?? 0) + endpoint.weight)
    }
    // Four clients with four tasks each are two clients for each of the eight tasks.
    expect([...load.values()]).toEqual(Array.from({ length: 8 }, () => expect.closeTo(2, 6) as number))
  })
})
