import { describe, expect, test } from 'vitest'
import { roundRobin } from '../../../src/balancer/round-robin.ts'
import { describeShortage } from '../../../src/cluster/describe-tasks.ts'
import { DEFAULT_OUTLIER } from '../../../src/cluster/health/outlier.ts'
import type { Upstream } from '../../../src/cluster/upstream.ts'
import { eventsOf } from '../../support/events.ts'
import { answered, FALLBACK, hint, refused, testCluster } from '../../support/clusters.ts'

const FOUR = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80', '10.0.0.4:80']

function picks(
  cluster: Awaited<ReturnType<typeof testCluster>>['cluster'],
  now: number,
  count: number,
): string[] {
  return Array.from({ length: count }, () => cluster.pick(hint(now), [], false)?.label ?? 'none')
}

describe('a cluster', () => {
  test('keeps upstreams that stay, by address and port, and reports those that left', async () => {
    const { cluster, clock, resolver, departed } = await testCluster(FOUR)
    const before = [...cluster.tasks]
    before[0]?.latency.observe(50, clock.now())
    resolver.answer(['10.0.0.1:80', '10.0.0.2:80', '10.0.0.9:80'])
    await clock.advance(10_000)
    expect(cluster.reconcileIfChanged(clock.now())).toBe(true)
    expect(cluster.tasks[0]).toBe(before[0])
    expect(cluster.tasks[1]).toBe(before[1])
    expect(cluster.tasks.map((upstream) => upstream.label)).toEqual([
      '10.0.0.1:80',
      '10.0.0.2:80',
      '10.0.0.9:80',
    ])
    expect(departed.map((upstream) => upstream.label)).toEqual(['10.0.0.3:80', '10.0.0.4:80'])
  })

  test('ejects a task at its first refused connection, and readmits it after one probe', async () => {
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

  test('ejects a task that fails while the others answer, and reports the reason', async () => {
    const events = eventsOf('onehop:upstream.ejected')
    const { cluster, clock } = await testCluster(FOUR, { random: { next: () => 0.5 } })
    const [bad, ...good] = cluster.tasks
    if (bad === undefined) throw new Error('no tasks')
    for (let i = 0; i < 5; i++) {
      for (const upstream of good) cluster.report(upstream, answered(), clock.now(), clock.now())
      cluster.report(bad, answered(500), clock.now(), clock.now())
    }
    expect(bad.ejection).toMatchObject({
      state: 'ejected',
      cause: 'fails',
      reason: '5 failures in a row (status 500)',
    })
    expect(events).toMatchObject([{ upstream: bad.label, forMs: 10_000 }])
    await clock.advance(9_999)
    expect(picks(cluster, clock.now(), 200)).not.toContain(bad.label)
  })

  test('does not readmit a task for the answer to an earlier call, however late this process handled it', async () => {
    const { cluster, clock } = await testCluster(FOUR)
    const bad = cluster.tasks[0]
    if (bad === undefined) throw new Error('no tasks')
    const startedAt = clock.now()
    await clock.advance(20)
    cluster.report(bad, refused(), clock.now())
    await clock.advance(30)
    // 50 ms, 45 of them this process's own delay.
    cluster.report(bad, answered(200, 5), clock.now(), startedAt)
    expect(bad.ejection.state).toBe('ejected')
  })

  test('probes again 10 s after a failed probe, and readmits with a clean record after a successful one', async () => {
    const { cluster, clock } = await testCluster(FOUR, { random: { next: () => 0.5 } })
    const [bad, ...good] = cluster.tasks
    if (bad === undefined) throw new Error('no tasks')
    for (let i = 0; i < 5; i++) {
      for (const upstream of good) cluster.report(upstream, answered(), clock.now(), clock.now())
      cluster.report(bad, answered(503), clock.now(), clock.now())
    }
    await clock.advance(10_000)
    const probe = hint(clock.now())
    expect(cluster.pick(probe, [], false)).toBe(bad)
    cluster.report(bad, answered(503), clock.now(), clock.now(), probe)
    expect(bad.ejection.probeAt - clock.now()).toBe(10_000)
    await clock.advance(10_000)
    expect(picks(cluster, clock.now(), 1)).toEqual([bad.label])
    cluster.report(bad, answered(200), clock.now())
    expect(bad.ejection.state).toBe('available')
    expect(bad.latencyMs(clock.now())).toBeLessThan(10)
  })

  test('never ejects more than half of the tasks for failures, nor the last one', async () => {
    for (const [count, most] of [
      [1, 0],
      [2, 1],
      [3, 1],
      [4, 2],
    ] as const) {
      const { cluster, clock } = await testCluster(FOUR.slice(0, count))
      for (const upstream of cluster.tasks)
        for (let i = 0; i < 100; i++) cluster.report(upstream, answered(), clock.now())
      for (const upstream of cluster.tasks)
        for (let i = 0; i < 8; i++) cluster.report(upstream, answered(500), clock.now())
      const out = cluster.tasks.filter(({ ejection }) => ejection.state === 'ejected')
      expect(out.length).toBeLessThanOrEqual(most)
    }
  })

  test('ejects no task for failures with outlier: undefined, or if all fail alike', async () => {
    for (const outlier of [undefined, DEFAULT_OUTLIER]) {
      const { cluster, clock } = await testCluster(FOUR, { outlier })
      for (let i = 0; i < 100; i++)
        for (const upstream of cluster.tasks) {
          if (outlier === undefined && upstream === cluster.tasks[3]) continue
          cluster.report(upstream, answered(500), clock.now())
        }
      expect(cluster.tasks.every(({ ejection }) => ejection.state === 'available')).toBe(true)
    }
  })

  test('gives a joining task a tenth of its share, growing to all of it within 10 s, unless all are new', async () => {
    const { cluster, clock, resolver } = await testCluster(FOUR, {
      slowStartMs: 10_000,
      balancer: roundRobin({ random: { next: () => 0 } }),
    })
    const shareOf = (label: string): number =>
      picks(cluster, clock.now(), 4_000).filter((picked) => picked === label).length / 1_000
    expect(shareOf('10.0.0.1:80')).toBeGreaterThan(0.95)
    resolver.answer([...FOUR.slice(1), '10.0.0.9:80'])
    await clock.advance(10_000)
    cluster.reconcileIfChanged(clock.now())
    const shares: number[] = []
    for (let second = 0; second <= 10; second += 2) {
      shares.push(shareOf('10.0.0.9:80'))
      await clock.advance(2_000)
    }
    for (const [index, share] of [0.1, 0.2, 0.4, 0.6, 0.8, 1].entries())
      expect(Math.abs((shares[index] ?? 0) - share)).toBeLessThan(0.06)
  })

  test('calls a subset of a large fleet, which changes only by tasks that join or leave', async () => {
    const fleet = Array.from({ length: 100 }, (_, index) => `10.0.1.${index + 1}:80`)
    const { cluster, clock, resolver, departed } = await testCluster(fleet, {
      subset: { size: 10, clientId: 'checkout-1' },
    })
    const before = cluster.tasks.map(({ label }) => label)
    expect(before).toHaveLength(10)
    const left = before[0] as string
    resolver.answer(fleet.filter((label) => label !== left))
    await clock.advance(10_000)
    cluster.reconcileIfChanged(clock.now())
    expect(departed.map(({ label }) => label)).toEqual([left])
    expect(cluster.tasks).toHaveLength(10)
    expect(cluster.tasks.filter(({ label }) => before.includes(label))).toHaveLength(9)
    const other = await testCluster(fleet, { subset: { size: 10, clientId: 'checkout-2' } })
    expect(other.cluster.tasks.map(({ label }) => label)).not.toEqual(before)
  })

  test('does not probe with a retry', async () => {
    const { cluster, clock } = await testCluster(FOUR)
    const [bad, other] = cluster.tasks
    if (bad === undefined || other === undefined) throw new Error('no tasks')
    cluster.report(bad, refused(), clock.now())
    await clock.advance(1_000)
    for (let i = 0; i < 50; i++) expect(cluster.pick(hint(clock.now()), [other], false)).not.toBe(bad)
  })

  test.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])(
    'ejects no task for what this process lacks: %s',
    async (code) => {
      const { cluster, clock } = await testCluster(FOUR)
      for (const upstream of cluster.tasks) cluster.report(upstream, refused(code), clock.now())
      for (const { ejection, failures } of cluster.tasks)
        expect({ state: ejection.state, failures }).toEqual({ state: 'available', failures: 0 })
    },
  )

  describe.each(['EADDRNOTAVAIL', 'ENETUNREACH', 'ENETDOWN', 'EACCES', 'EPERM', 'EAFNOSUPPORT'])(
    'if this host refuses to connect: %s',
    (code) => {
      test('to one address, that one is ejected, also if it is the only task', async () => {
        for (const addresses of [FOUR, FOUR.slice(0, 1)]) {
          const { cluster, clock } = await testCluster(addresses)
          const [bad, ...others] = cluster.tasks as [Upstream, ...Upstream[]]
          for (const upstream of others) cluster.report(upstream, answered(), clock.now())
          cluster.report(bad, refused(code), clock.now())
          expect(bad.ejection).toMatchObject({ state: 'ejected', cause: 'refuses' })
          expect(cluster.tasks.filter(({ ejection }) => ejection.state === 'ejected')).toEqual([bad])
        }
      })

      test('to several addresses of one family, those are ejected while others can be reached', async () => {
        const { cluster, clock } = await testCluster(FOUR)
        const [one, two, three, four] = cluster.tasks as [Upstream, Upstream, Upstream, Upstream]
        for (let round = 0; round < 5; round++) {
          for (const upstream of [one, two, three]) cluster.report(upstream, refused(code), clock.now())
          cluster.report(four, answered(), clock.now())
        }
        const out = cluster.tasks.filter(({ ejection }) => ejection.state === 'ejected')
        expect(out).toEqual([one, two, three])
        expect(new Set(picks(cluster, clock.now(), 50))).toEqual(new Set([four.label]))
      })

      test('to all addresses, none is ejected, and the first ones are readmitted', async () => {
        const events = eventsOf('onehop:upstream.readmitted')
        const { cluster, clock } = await testCluster(FOUR)
        for (let round = 0; round < 3; round++)
          for (const upstream of cluster.tasks) cluster.report(upstream, refused(code), clock.now())
        expect(cluster.tasks.every(({ ejection }) => ejection.state === 'available')).toBe(true)
        expect(events).toHaveLength(3)
        expect(new Set(picks(cluster, clock.now(), 100)).size).toBe(4)
      })

      test('to all tasks but not to the load balancer, the tasks are ejected and it takes the calls', async () => {
        const { cluster, clock } = await testCluster(FOUR, { fallback: FALLBACK })
        for (const upstream of cluster.tasks) cluster.report(upstream, refused(code), clock.now())
        expect(cluster.directShare).toBe(0)
        expect(new Set(picks(cluster, clock.now(), 50))).toEqual(new Set(['balancer.internal:80']))
      })

      test('to an address that answers over other connections, it is not ejected: ports are missing', async () => {
        const { cluster, clock } = await testCluster(FOUR)
        const [busy] = cluster.tasks as [Upstream]
        cluster.report(busy, answered(), clock.now())
        await clock.advance(900)
        cluster.report(busy, refused(code), clock.now())
        expect(busy.ejection.state).toBe('available')
        await clock.advance(200)
        cluster.report(busy, refused(code), clock.now())
        expect(busy.ejection.state).toBe('ejected')
      })
    },
  )

  test('ejects all tasks that a router reports as unreachable', async () => {
    const { cluster, clock } = await testCluster(FOUR)
    for (const upstream of cluster.tasks) cluster.report(upstream, refused('EHOSTUNREACH'), clock.now())
    expect(cluster.tasks.every(({ ejection }) => ejection.state === 'ejected')).toBe(true)
  })

  test('requests an early refresh after a refused connection, at most once a second', async () => {
    const { cluster, clock, resolver } = await testCluster(FOUR)
    const [one, two] = cluster.tasks
    if (one === undefined || two === undefined) throw new Error('no tasks')
    await clock.advance(2_000)
    cluster.report(one, refused(), clock.now())
    cluster.report(two, refused(), clock.now())
    await clock.advance(0)
    expect(resolver.lookups).toHaveLength(2)
  })

  test('refreshes every second while calls fail without a task, however long discovery has failed', async () => {
    const { cluster, clock, resolver } = await testCluster(FOUR)
    resolver.answer(new Error('SERVFAIL'))
    // Its backoff has reached a minute.
    for (let minute = 0; minute < 10; minute++) {
      await clock.advance(60_000)
      cluster.reconcileIfChanged(clock.now())
    }
    for (const upstream of cluster.tasks) cluster.report(upstream, refused(), clock.now())
    const call = (): void => {
      const upstream = cluster.pick(hint(clock.now()), [], false)
      if (upstream !== undefined) cluster.report(upstream, refused(), clock.now())
    }
    for (let tenth = 0; tenth < 30; tenth++) {
      call()
      await clock.advance(100)
    }
    resolver.answer(['10.0.0.9:80'])
    for (let tenth = 0; tenth < 11; tenth++) {
      call()
      await clock.advance(100)
    }
    cluster.reconcileIfChanged(clock.now())
    expect(cluster.tasks.map(({ label }) => label)).toEqual(['10.0.0.9:80'])
  })

  test('does not look up a service without tasks more often than its TTL', async () => {
    const { cluster, clock, resolver } = await testCluster([])
    const before = resolver.lookups.length
    for (let tenth = 0; tenth < 90; tenth++) {
      cluster.pick(hint(clock.now()), [], false)
      await clock.advance(100)
    }
    expect(resolver.lookups.length).toBe(before)
  })

  test('does not try an upstream twice while another is left', async () => {
    const { cluster, clock } = await testCluster(FOUR)
    const [one, two, three, four] = cluster.tasks
    if (!one || !two || !three || !four) throw new Error('no tasks')
    for (let i = 0; i < 50; i++) expect(cluster.pick(hint(clock.now()), [one, two, three], false)).toBe(four)
    expect(cluster.hasUntried([one, two, three, four])).toBe(false)
    expect(cluster.pick(hint(clock.now()), [one, two, three, four], false)).toBeDefined()
  })

  test('picks among all tasks if none is available and there is no fallback', async () => {
    const { cluster, clock } = await testCluster(['10.0.0.1:80', '10.0.0.2:80'])
    for (const upstream of cluster.tasks) cluster.report(upstream, refused(), clock.now())
    expect(new Set(picks(cluster, clock.now(), 50)).size).toBe(2)
  })

  test('panic avoids tasks that refuse connections while there are others', async () => {
    const { cluster, clock } = await testCluster(FOUR)
    const [one, two, three, four] = cluster.tasks as [Upstream, Upstream, Upstream, Upstream]
    for (let call = 0; call < 50; call++) {
      for (const upstream of [one, two, one, two]) cluster.report(upstream, answered(), clock.now())
      for (const upstream of [three, four]) cluster.report(upstream, answered(500), clock.now())
    }
    for (const upstream of [one, two]) cluster.report(upstream, refused(), clock.now())
    expect(cluster.tasks.map(({ ejection }) => ejection.cause)).toEqual([
      'refuses',
      'refuses',
      'fails',
      'fails',
    ])
    expect(new Set(picks(cluster, clock.now(), 200))).toEqual(new Set([three.label, four.label]))
    // Retries, too: a task that the call has tried is a better guess.
    for (let call = 0; call < 20; call++)
      expect([three, four]).toContain(cluster.pick(hint(clock.now()), [three, four], false))
    cluster.report(one, refused(), clock.now(), clock.now())
    // One of the failing tasks announces draining, and the other refuses its probe: one is left.
    cluster.report(three, { ...answered(), draining: true }, clock.now())
    await clock.advance(12_000)
    for (;;) {
      const probe = hint(clock.now())
      const picked = cluster.pick(probe, [], false)
      if (picked?.ejection.state !== 'probing') break
      cluster.report(picked, picked === three ? answered(503) : refused(), clock.now(), clock.now(), probe)
    }
    expect(new Set(picks(cluster, clock.now(), 200))).toEqual(new Set([three.label]))
  })

  test('emits an event for each panic that begins, also after new tasks have joined', async () => {
    const events = eventsOf('onehop:cluster.panicked')
    const { cluster, clock, resolver } = await testCluster(FOUR.slice(0, 2))
    const panic = async (): Promise<void> => {
      for (const upstream of cluster.tasks) cluster.report(upstream, refused(), clock.now())
      picks(cluster, clock.now(), 10)
    }
    await panic()
    expect(events).toHaveLength(1)
    // Readmitted.
    for (const upstream of cluster.tasks) cluster.report(upstream, answered(), clock.now(), clock.now())
    await panic()
    expect(events).toHaveLength(2)
    // Replaced by other tasks.
    resolver.answer(FOUR.slice(2))
    await clock.advance(10_000)
    cluster.reconcileIfChanged(clock.now())
    picks(cluster, clock.now(), 10)
    await panic()
    expect(events).toHaveLength(3)
  })

  test('does not eject a load balancer that passes on a draining header', async () => {
    const { cluster, clock } = await testCluster(FOUR.slice(0, 2), { fallback: FALLBACK })
    const { fallback } = cluster
    if (fallback === undefined) throw new Error('no fallback')
    cluster.report(fallback, { ...answered(), draining: true }, clock.now())
    expect(fallback.ejection.state).toBe('available')
  })

  test('describes why nothing can be picked', async () => {
    const { cluster, clock } = await testCluster([])
    expect(cluster.pick(hint(clock.now()), [], false)).toBeUndefined()
    expect(describeShortage(cluster, [])).toBe(
      'no such service was found, or it has no tasks (scripted names none); no fallback configured',
    )
  })

  test('counts a fast 503 as slow', async () => {
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

  test('the share that the tasks cannot take spills to the load balancer', async () => {
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

  test('all tasks ejected: all calls go to the load balancer, and probes bring them back', async () => {
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

  test('failed discovery: all calls go to the load balancer', async () => {
    const { cluster, clock } = await testCluster(new Error('SERVFAIL'), { fallback: FALLBACK })
    expect(new Set(picks(cluster, clock.now(), 20))).toEqual(new Set(['balancer.internal:80']))
  })

  test('a load balancer that refuses connections gets no spill while there are tasks', async () => {
    const { cluster, clock } = await testCluster(FOUR, { fallback: FALLBACK })
    const [one, two] = cluster.tasks
    if (!one || !two || cluster.fallback === undefined) throw new Error('no upstreams')
    cluster.report(one, refused(), clock.now())
    cluster.report(two, refused(), clock.now())
    cluster.report(cluster.fallback, refused(), clock.now())
    expect(picks(cluster, clock.now(), 100)).not.toContain('balancer.internal:80')
  })

  test('all attempts go to the load balancer if the only task refuses, and no panic begins', async () => {
    const events = eventsOf('onehop:cluster.panicked')
    const { cluster, clock } = await testCluster(FOUR.slice(0, 1), { fallback: FALLBACK })
    const [task] = cluster.tasks as [Upstream]
    const { fallback } = cluster
    cluster.report(task, refused(), clock.now())
    expect(cluster.pick(hint(clock.now()), [task], false)).toBe(fallback)
    for (const isLast of [false, true])
      expect(cluster.pick(hint(clock.now()), [task, fallback as Upstream], isLast)).toBe(fallback)
    expect(events).toEqual([])
  })

  test('a last attempt after connect failures goes to the load balancer', async () => {
    const { cluster, clock } = await testCluster(FOUR, { fallback: FALLBACK })
    const [one, two] = cluster.tasks
    if (!one || !two) throw new Error('no tasks')
    expect(cluster.pick(hint(clock.now()), [one, two], true)).toBe(cluster.fallback)
  })
})
