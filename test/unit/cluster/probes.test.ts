import { describe, expect, test } from 'vitest'
import type { PickHint } from '../../../src/balancer/balancer.ts'
import type { Upstream } from '../../../src/cluster/upstream.ts'
import type { Outcome } from '../../../src/core/outcome.ts'
import { answered, hint, refused, testCluster, type TestCluster } from '../../support/clusters.ts'

/** Two tasks, the second of which is ejected for failures; and when its probe is due. */
async function withOneFailing(): Promise<TestCluster & { bad: Upstream; dueAt: number }> {
  const made = await testCluster(['10.0.0.1:80', '10.0.0.2:80'])
  const { cluster, clock } = made
  const [good, bad] = cluster.tasks as [Upstream, Upstream]
  for (let call = 0; call < 10; call++) {
    cluster.report(good, answered(), clock.now())
    cluster.report(good, answered(), clock.now())
    cluster.report(bad, answered(500), clock.now())
  }
  expect(bad.ejection).toMatchObject({ state: 'ejected', cause: 'fails' })
  return { ...made, bad, dueAt: bad.ejection.probeAt }
}

describe('a probe of a task that fails', () => {
  test('is a call that can be sent again, if there is one', async () => {
    const { cluster, bad, dueAt } = await withOneFailing()
    for (let call = 0; call < 20; call++)
      expect(cluster.pick({ ...hint(dueAt + call), idempotent: false }, [], false)).not.toBe(bad)
    expect(cluster.pick({ ...hint(dueAt + 20), idempotent: true }, [], false)).toBe(bad)
    expect(bad.ejection.state).toBe('probing')
  })

  test('is any call after 2 s without such a call', async () => {
    const { cluster, bad, dueAt } = await withOneFailing()
    expect(cluster.pick({ ...hint(dueAt + 1_999), idempotent: false }, [], false)).not.toBe(bad)
    expect(cluster.pick({ ...hint(dueAt + 2_000), idempotent: false }, [], false)).toBe(bad)
  })
})

test('a probe that lost to another attempt extends the ejection, so that the next call is not a probe', async () => {
  const { cluster, bad, dueAt } = await withOneFailing()
  const probe = hint(dueAt)
  expect(cluster.pick(probe, [], false)).toBe(bad)
  cluster.report(bad, { kind: 'cancelled', latencyMs: 30, outrun: true }, dueAt + 30, dueAt, probe)
  expect(bad.ejection.state).toBe('ejected')
  for (let call = 0; call < 20; call++) expect(cluster.pick(hint(dueAt + 40), [], false)).not.toBe(bad)
  expect(cluster.pick(hint(bad.ejection.probeAt), [], false)).toBe(bad)
})

describe('a probe belongs to its call', () => {
  const ends: Readonly<Record<string, Outcome>> = {
    'is given up': { kind: 'cancelled', latencyMs: 5_000 },
    'is outrun': { kind: 'cancelled', latencyMs: 5_000, outrun: true },
    'is refused': refused(),
    'finds no descriptors': refused('EMFILE'),
    'is answered with 503': answered(503),
    'breaks off': { kind: 'transport-error', error: new Error('reset'), sent: true },
    'is late': { kind: 'timeout', phase: 'headers', latencyMs: 5_000, error: new Error('late') },
  }

  test.each(Object.keys(ends))('a call from before that %s neither ends nor judges it', async (how) => {
    const { cluster, bad, dueAt } = await withOneFailing()
    const old = hint(dueAt - 5_000)
    expect(cluster.pick(hint(dueAt), [], false)).toBe(bad)
    cluster.report(bad, ends[how] as Outcome, dueAt + 10, dueAt - 5_000, old)
    expect(bad.ejection.state).toBe('probing')
    for (let call = 0; call < 20; call++)
      expect(cluster.pick(hint(dueAt + 20 + call), [], false)).not.toBe(bad)
  })

  test('it ends with the response headers: a body that breaks off later is not a second probe', async () => {
    const { cluster, bad, dueAt } = await withOneFailing()
    const probe = hint(dueAt)
    cluster.pick(probe, [], false)
    cluster.report(bad, answered(503), dueAt + 5, dueAt, probe)
    const { probeAt } = bad.ejection
    const next = hint(probeAt)
    expect(cluster.pick(next, [], false)).toBe(bad)
    cluster.report(bad, ends['breaks off'] as Outcome, probeAt + 5, dueAt, probe)
    expect(bad.ejection.state).toBe('probing')
    cluster.report(bad, answered(), probeAt + 10, probeAt, next)
    expect(bad.ejection.state).toBe('available')
  })

  test('a probe that was not sent leaves the next call to probe', async () => {
    const { cluster, bad, dueAt } = await withOneFailing()
    const probe = hint(dueAt)
    cluster.pick(probe, [], false)
    cluster.notTried(bad, hint(dueAt))
    expect(cluster.pick(hint(dueAt), [], false)).not.toBe(bad)
    cluster.notTried(bad, probe)
    expect(cluster.pick(hint(dueAt), [], false)).toBe(bad)
  })
})

describe('a probe that its caller aborts', () => {
  test('extends the ejection by 20 s and more, so that the next calls are not lost, too', async () => {
    const { cluster, clock } = await testCluster(['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'])
    const [bad] = cluster.tasks as [Upstream]
    cluster.report(bad, refused(), clock.now())
    const lost: number[] = []
    // A call every 600 ms, whose caller waits for 500 ms.
    for (let call = 0; call < 200; call++) {
      await clock.advance(100)
      const startedAt = clock.now()
      const mine = hint(startedAt)
      const picked = cluster.pick(mine, [], false) as Upstream
      if (picked !== bad) cluster.report(picked, answered(), clock.now(), startedAt, mine)
      await clock.advance(500)
      if (picked !== bad) continue
      lost.push(call)
      cluster.report(bad, { kind: 'cancelled', latencyMs: 500 }, clock.now(), startedAt, mine)
    }
    // After 20 s and then 30 s: at most one of any 20 calls.
    expect(lost).toEqual([2, 37, 88, 139, 190])
    expect(bad.ejection).toMatchObject({
      state: 'ejected',
      cause: 'fails',
      reason: 'a probe had no answer in 500 ms, when its caller left',
    })
  })

  test('before a connection exists says nothing: the next call probes', async () => {
    const { cluster, bad, dueAt } = await withOneFailing()
    const probe = hint(dueAt)
    cluster.pick(probe, [], false)
    cluster.report(bad, { kind: 'cancelled', latencyMs: 0.5 }, dueAt + 0.5, dueAt, probe)
    expect(cluster.pick(hint(dueAt + 1), [], false)).toBe(bad)
  })

  test('costs as much as one that times out after refused connections, with outlier: undefined', async () => {
    for (const outcome of [
      { kind: 'cancelled', latencyMs: 500 },
      { kind: 'timeout', phase: 'headers', latencyMs: 500, error: new Error('late') },
    ] satisfies Outcome[]) {
      const { cluster, clock } = await testCluster(['10.0.0.1:80', '10.0.0.2:80'], { outlier: undefined })
      const [bad] = cluster.tasks as [Upstream]
      cluster.report(bad, refused(), clock.now())
      await clock.advance(1_000)
      const probe = hint(clock.now())
      expect(cluster.pick(probe, [], false)).toBe(bad)
      cluster.report(bad, outcome, clock.now() + 500, clock.now(), probe)
      expect(bad.ejection.probeAt - clock.now()).toBe(20_500)
    }
  })
})

describe('a call whose body can be sent only once does not probe', () => {
  test.each(['refuses', 'fails'] as const)('a task that %s, while other calls may come', async (cause) => {
    const { cluster, bad, dueAt } = await withOneFailing()
    if (cause === 'refuses') cluster.report(bad, refused(), dueAt, dueAt, probeOf(cluster, bad, dueAt))
    const { probeAt } = bad.ejection
    for (const idempotent of [true, false])
      for (const ms of [0, 1_000, 1_999])
        expect(cluster.pick({ ...hint(probeAt + ms), idempotent, replayable: false }, [], false)).not.toBe(
          bad,
        )
    expect(cluster.pick({ ...hint(probeAt + 1_999), replayable: true }, [], false)).toBe(bad)
  })

  test('unless the service has no other calls', async () => {
    const { cluster, bad, dueAt } = await withOneFailing()
    expect(cluster.pick({ ...hint(dueAt + 2_000), replayable: false }, [], false)).toBe(bad)
  })
})

/** The call that is its probe. */
function probeOf(cluster: TestCluster['cluster'], upstream: Upstream, now: number): PickHint {
  const probe = hint(now)
  expect(cluster.pick(probe, [], false)).toBe(upstream)
  return probe
}

test('any call probes a task that refused connections: nothing of it is sent in vain', async () => {
  const { cluster, clock } = await testCluster(['10.0.0.1:80', '10.0.0.2:80'])
  const [, bad] = cluster.tasks as [Upstream, Upstream]
  cluster.report(bad, refused(), clock.now())
  const { probeAt } = bad.ejection
  expect(cluster.pick({ ...hint(probeAt), idempotent: false }, [], false)).toBe(bad)
})

test('a probe that finds no descriptors leaves the probe to the next call', async () => {
  const { cluster, bad, dueAt } = await withOneFailing()
  const probe = probeOf(cluster, bad, dueAt)
  cluster.report(bad, refused('EMFILE'), dueAt, dueAt, probe)
  expect(bad.ejection.state).toBe('ejected')
  expect(cluster.pick(hint(dueAt), [], false)).toBe(bad)
})

test('the only task that takes connections is not ejected for failures', async () => {
  const { cluster, clock } = await testCluster(['10.0.0.1:80', '10.0.0.2:80'])
  const [last, dead] = cluster.tasks as [Upstream, Upstream]
  for (let call = 0; call < 4; call++) cluster.report(last, answered(500), clock.now())
  for (let call = 0; call < 20; call++) cluster.report(dead, answered(), clock.now())
  cluster.report(dead, refused(), clock.now())
  cluster.report(last, answered(500), clock.now())
  expect(dead.ejection.cause).toBe('refuses')
  expect(last.ejection.state).toBe('available')
})
