import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { leastRequest } from '../../../src/balancer/least-request.ts'
import type { Upstream } from '../../../src/cluster/upstream.ts'
import { InvalidOptionsError } from '../../../src/core/errors.ts'
import { seededRandom } from '../../../src/testing/fakes/seeded-random.ts'
import { hint } from '../../support/clusters.ts'
import { chiSquare, counts, factsOf, occupy, upstreams } from '../../support/upstreams.ts'

describe('least requests', () => {
  test('property: of all, no other candidate has fewer by weight', () => {
    const task = fc.record({ weight: fc.constantFrom(0.1, 1, 2), pending: fc.nat({ max: 20 }) })
    fc.assert(
      fc.property(fc.array(task, { minLength: 1, maxLength: 30 }), fc.integer(), (tasks, seed) => {
        const candidates = upstreams(tasks.map(({ weight }) => weight))
        for (const [i, { pending }] of tasks.entries()) occupy(candidates[i] as Upstream, pending)
        const picked = leastRequest({ choices: 'all', random: seededRandom(seed) }).pick(candidates, hint(0))
        const load = ({ pending, endpoint }: Upstream): number => pending / endpoint.weight
        expect(load(picked as Upstream)).toBe(Math.min(...candidates.map(load)))
      }),
    )
  })

  test('of two, the busiest of all is never picked', () => {
    const candidates = upstreams(8)
    const busiest = candidates[3] as Upstream
    occupy(busiest, 1)
    const balancer = leastRequest({ random: seededRandom(1) })
    expect(counts(balancer, candidates, 2_000)[3]).toBe(0)
  })

  test.each([2, 'all'] as const)('of %s, an idle fleet is used by weight', (choices) => {
    const weights = [2, 1, 1, 0.1, 0.5]
    const balancer = leastRequest({ choices, random: seededRandom(2) })
    // 99.9 % of correct draws stay below.
    expect(chiSquare(counts(balancer, upstreams(weights), 100_000), weights)).toBeLessThan(18.5)
  })

  test('two tasks of different weight are used by weight, idle or busy', () => {
    const balancer = leastRequest({ random: seededRandom(3) })
    const idle = counts(balancer, upstreams([3, 1]), 100_000)
    expect((idle[0] as number) / 100_000).toBeCloseTo(0.75, 2)
    const busy = upstreams([3, 1]) as [Upstream, Upstream]
    for (let i = 0; i < 400; i++) (balancer.pick(busy, hint(0)) as Upstream).begin(0)
    expect(busy.map(({ pending }) => pending)).toEqual([300, 100])
  })

  test('500 calls on 50 tasks: the busiest exceeds the mean of 10 by 1, or by 0 with all choices', () => {
    const fullest = [2, 3, 'all'] as const
    const most = fullest.map((choices) => {
      const candidates = upstreams(50)
      const balancer = leastRequest({ choices, random: seededRandom(4) })
      for (let i = 0; i < 500; i++) (balancer.pick(candidates, hint(0)) as Upstream).begin(0)
      return Math.max(...candidates.map(({ pending }) => pending))
    })
    expect(most).toEqual([11, 11, 10])
  })

  test('a task that outweighs all others does not block the second draw', () => {
    const [heavy, ...others] = upstreams([1e9, 1, 1]) as [Upstream, Upstream, Upstream]
    const busy = { ...factsOf(heavy), pending: 5e9 }
    const picked = counts(leastRequest({ random: seededRandom(5) }), [busy, ...others], 1_000)
    expect(picked[0]).toBe(0)
    expect(Math.min(...picked.slice(1))).toBeGreaterThan(400)
  })

  test.each([1, 0, 2.5, Number.NaN, '2' as never])('refuses %s choices', (choices) => {
    expect(() => leastRequest({ choices })).toThrow(InvalidOptionsError)
  })
})
