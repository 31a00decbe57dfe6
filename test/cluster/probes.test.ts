import { describe, expect, test } from 'vitest'
import type { Upstream } from '../../src/cluster/upstream.ts'
import { answered, hint, refused, testCluster, type TestCluster } from '../support/clusters.ts'

/** Two tasks, of which the second is out for failing; and when its probe is due. */
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

  test('is any call, once it has been waited for long enough', async () => {
    const { cluster, bad, dueAt } = await withOneFailing()
    expect(cluster.pick({ ...hint(dueAt + 1_999), idempotent: false }, [], false)).not.toBe(bad)
    expect(cluster.pick({ ...hint(dueAt + 2_000), idempotent: false }, [], false)).toBe(bad)
  })
})

test('a probe that another attempt outran puts the task out again, so that the next call is none', async () => {
  const { cluster, bad, dueAt } = await withOneFailing()
  expect(cluster.pick(hint(dueAt), [], false)).toBe(bad)
  cluster.report(bad, { kind: 'cancelled', latencyMs: 30, outrun: true }, dueAt + 30, dueAt)
  expect(bad.ejection.state).toBe('ejected')
  for (let call = 0; call < 20; call++) expect(cluster.pick(hint(dueAt + 40), [], false)).not.toBe(bad)
  expect(cluster.pick(hint(bad.ejection.probeAt), [], false)).toBe(bad)
})

test('a task that refused connections is probed with any call: nothing of it is sent in vain', async () => {
  const { cluster, clock } = await testCluster(['10.0.0.1:80', '10.0.0.2:80'])
  const [, bad] = cluster.tasks as [Upstream, Upstream]
  cluster.report(bad, refused(), clock.now())
  const { probeAt } = bad.ejection
  expect(cluster.pick({ ...hint(probeAt), idempotent: false }, [], false)).toBe(bad)
})
