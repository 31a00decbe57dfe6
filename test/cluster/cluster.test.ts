import { describe, expect, test } from 'vitest'
import { roundRobin } from '../../src/balancer/round-robin.ts'
import { answered, FALLBACK, hint, refused, testCluster } from '../support/clusters.ts'

const FOUR = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80', '10.0.0.4:80']

function picks(
  cluster: Awaited<ReturnType<typeof testCluster>>['cluster'],
  now: number,
  count: number,
): string[] {
  return Array.from({ length: count }, () => cluster.pick(hint(now), [], false)?.label ?? 'none')
}

describe('a cluster', () => {
  test('keeps the upstreams that stay, by address and port, and tells of those that left', async () => {
    const { cluster, clock, resolver, departed } = await testCluster(FOUR)
    const before = [...cluster.tasks]
    before[0]?.observe(50, clock.now())
    resolver.answer(['10.0.0.1:80', '10.0.0.2:80', '10.0.0.9:80'])
    await clock.advance(10_000)
    expect(cluster.isCurrent(clock.now())).toBe(true)
    expect(cluster.tasks[0]).toBe(before[0])
    expect(cluster.tasks[1]).toBe(before[1])
    expect(cluster.tasks.map((upstream) => upstream.label)).toEqual([
      '10.0.0.1:80',
      '10.0.0.2:80',
      '10.0.0.9:80',
    ])
    expect(departed.map((upstream) => upstream.label)).toEqual(['10.0.0.3:80', '10.0.0.4:80'])
  })

  test('ejects a task that refuses at once, and lets it back by one probe', async () => {
    const { cluster, clock } = await testCluster(FOUR)
    const bad = cluster.tasks[0]
    if (bad === undefined) throw new Error('no tasks')
    for (const upstream of cluster.tasks) cluster.report(upstream, answered(), clock.now())
    cluster.report(bad, refused(), clock.now())
    expect(picks(cluster, clock.now(), 200)).not.toContain(bad.label)

    await clock.advance(1_000)
    const probes = picks(cluster, clock.now(), 50).filter((label) => label === bad.label)
    expect(probes).toHaveLength(1)

    cluster.report(bad, answered(), clock.now() + 5)
    expect(picks(cluster, clock.now() + 5, 200)).toContain(bad.label)
  })

  test('sends no probe with a retry', async () => {
    const { cluster, clock } = await testCluster(FOUR)
    const [bad, other] = cluster.tasks
    if (bad === undefined || other === undefined) throw new Error('no tasks')
    cluster.report(bad, refused(), clock.now())
    await clock.advance(1_000)
    for (let i = 0; i < 50; i++) expect(cluster.pick(hint(clock.now()), [other], false)).not.toBe(bad)
  })

  test('ejects nobody for what this process lacks', async () => {
    const { cluster, clock } = await testCluster(FOUR)
    const [upstream] = cluster.tasks
    if (upstream === undefined) throw new Error('no tasks')
    for (const code of ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS']) {
      cluster.report(
        upstream,
        { kind: 'connect-error', error: Object.assign(new Error(code), { code }) },
        clock.now(),
      )
    }
    expect(upstream.ejection.state).toBe('available')
  })

  test('asks for an early refresh when a connection is refused, at most once a second', async () => {
    const { cluster, clock, resolver } = await testCluster(FOUR)
    const [one, two] = cluster.tasks
    if (one === undefined || two === undefined) throw new Error('no tasks')
    await clock.advance(2_000)
    cluster.report(one, refused(), clock.now())
    cluster.report(two, refused(), clock.now())
    await clock.advance(0)
    expect(resolver.lookups).toHaveLength(2)
  })

  test('tries no upstream twice while another is left', async () => {
    const { cluster, clock } = await testCluster(FOUR)
    const [one, two, three, four] = cluster.tasks
    if (!one || !two || !three || !four) throw new Error('no tasks')
    for (let i = 0; i < 50; i++) expect(cluster.pick(hint(clock.now()), [one, two, three], false)).toBe(four)
    expect(cluster.hasUntried([one, two, three, four])).toBe(false)
    expect(cluster.pick(hint(clock.now()), [one, two, three, four], false)).toBeDefined()
  })

  test('picks among all when nothing is available and there is no fallback', async () => {
    const { cluster, clock } = await testCluster(['10.0.0.1:80', '10.0.0.2:80'])
    for (const upstream of cluster.tasks) cluster.report(upstream, refused(), clock.now())
    expect(new Set(picks(cluster, clock.now(), 50)).size).toBe(2)
  })

  test('says why there is nothing to pick', async () => {
    const { cluster, clock } = await testCluster([])
    expect(cluster.pick(hint(clock.now()), [], false)).toBeUndefined()
    expect(cluster.describe([])).toBe(
      '0 of 0 endpoints can take the call (0 ejected, 0 tried); no fallback configured',
    )
  })

  test('a task that fails fast with 503 looks slow, not fast', async () => {
    const { cluster, clock } = await testCluster(FOUR)
    const [bad] = cluster.tasks
    if (bad === undefined) throw new Error('no tasks')
    for (const upstream of cluster.tasks) cluster.report(upstream, answered(200, 20), clock.now())
    cluster.report(bad, answered(503, 1), clock.now())
    expect(bad.latencyMs(clock.now())).toBeGreaterThanOrEqual(1_000)
  })
})

describe('tiers', () => {
  test('the load balancer gets nothing while enough tasks are available', async () => {
    const { cluster, clock } = await testCluster(FOUR, { fallback: FALLBACK })
    expect(picks(cluster, clock.now(), 200)).not.toContain('balancer.internal:80')
  })

  test('what the tasks cannot take spills to it, in proportion', async () => {
    const { cluster, clock } = await testCluster(FOUR, { fallback: FALLBACK, balancer: roundRobin() })
    const [one, two] = cluster.tasks
    if (!one || !two) throw new Error('no tasks')
    cluster.report(one, refused(), clock.now())
    cluster.report(two, refused(), clock.now())
    // 1.4 x 2 / 4
    expect(cluster.directShare).toBeCloseTo(0.7, 9)
    const spilled = picks(cluster, clock.now(), 2_000).filter(
      (label) => label === 'balancer.internal:80',
    ).length
    expect(spilled / 2_000).toBeGreaterThan(0.27)
    expect(spilled / 2_000).toBeLessThan(0.33)
  })

  test('everything ejected: all to the load balancer, and back by probes without a switch', async () => {
    const { cluster, clock } = await testCluster(FOUR, { fallback: FALLBACK })
    for (const upstream of cluster.tasks) cluster.report(upstream, refused(), clock.now())
    expect(new Set(picks(cluster, clock.now(), 100))).toEqual(new Set(['balancer.internal:80']))
    await clock.advance(1_000)
    const probes = picks(cluster, clock.now(), 100).filter((label) => label !== 'balancer.internal:80')
    expect(probes.toSorted()).toEqual(FOUR)
    for (const upstream of cluster.tasks) cluster.report(upstream, answered(200, 1), clock.now() + 2)
    expect(cluster.directShare).toBe(1)
    expect(picks(cluster, clock.now() + 2, 100)).not.toContain('balancer.internal:80')
  })

  test('discovery that failed: all to the load balancer', async () => {
    const { cluster, clock } = await testCluster(new Error('SERVFAIL'), { fallback: FALLBACK })
    expect(new Set(picks(cluster, clock.now(), 20))).toEqual(new Set(['balancer.internal:80']))
  })

  test('a load balancer that refuses gets no spill while tasks are there', async () => {
    const { cluster, clock } = await testCluster(FOUR, { fallback: FALLBACK })
    const [one, two] = cluster.tasks
    if (!one || !two || cluster.fallback === undefined) throw new Error('no upstreams')
    cluster.report(one, refused(), clock.now())
    cluster.report(two, refused(), clock.now())
    cluster.report(cluster.fallback, refused(), clock.now())
    expect(picks(cluster, clock.now(), 100)).not.toContain('balancer.internal:80')
  })

  test('a last attempt after connect failures goes to the load balancer', async () => {
    const { cluster, clock } = await testCluster(FOUR, { fallback: FALLBACK })
    const [one, two] = cluster.tasks
    if (!one || !two) throw new Error('no tasks')
    expect(cluster.pick(hint(clock.now()), [one, two], true)).toBe(cluster.fallback)
  })
})
