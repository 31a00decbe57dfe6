import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Balancer } from '../../../src/balancer/balancer.ts'
import { consistentHash } from '../../../src/balancer/consistent-hash.ts'
import { leastRequest } from '../../../src/balancer/least-request.ts'
import { p2c } from '../../../src/balancer/p2c.ts'
import { random } from '../../../src/balancer/random.ts'
import { roundRobin } from '../../../src/balancer/round-robin.ts'
import type { Upstream } from '../../../src/cluster/upstream.ts'
import type { Random } from '../../../src/core/clock.ts'
import { seededRandom } from '../../../src/testing/fakes/seeded-random.ts'
import { hint } from '../../support/clusters.ts'
import { finish, occupy, upstreams } from '../../support/upstreams.ts'

const balancers: readonly (readonly [string, (options: { random: Random }) => Balancer])[] = [
  ['p2c', p2c],
  ['round robin', roundRobin],
  ['random', random],
  ['least requests of two', leastRequest],
  ['least requests of three', (options) => leastRequest({ ...options, choices: 3 })],
  ['least requests of all', (options) => leastRequest({ ...options, choices: 'all' })],
  ['consistent hash, calls without a key', (options) => consistentHash({ ...options, header: 'x-user' })],
]

// Any number of weights: equal, unequal, and extreme.
const weights = fc.oneof(
  fc.array(fc.constant(1), { maxLength: 40 }),
  fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { maxLength: 40 }),
  fc.array(fc.constantFrom(Number.MIN_VALUE, 1e-9, 1, 1e9), { maxLength: 40 }),
)

describe.each(balancers)('%s', (_name, make) => {
  test('property: picks a candidate if there is one, and nothing else', () => {
    fc.assert(
      fc.property(weights, fc.integer(), fc.array(fc.nat({ max: 99 })), (shares, seed, loads) => {
        const candidates = upstreams(shares)
        const balancer = make({ random: seededRandom(seed) })
        for (const [i, pending] of loads.entries()) {
          const loaded = candidates[i % candidates.length]
          if (loaded !== undefined) occupy(loaded, pending)
          const picked = balancer.pick(candidates, { now: 0, key: i % 2 === 0 ? undefined : `user-${i}` })
          if (shares.length === 0 ? picked !== undefined : !candidates.includes(picked as Upstream))
            return false
        }
        return true
      }),
    )
  })

  test('gives equal candidates equal shares', () => {
    const candidates = upstreams(5)
    const balancer = make({ random: seededRandom(3) })
    const counts = new Map<Upstream, number>()
    for (let i = 0; i < 50_000; i++) {
      const picked = balancer.pick(candidates, hint(0)) as Upstream
      counts.set(picked, (counts.get(picked) ?? 0) + 1)
    }
    for (const candidate of candidates)
      expect(Math.abs((counts.get(candidate) ?? 0) / 10_000 - 1)).toBeLessThan(0.05)
  })
})

describe('p2c', () => {
  test('always picks the cheaper of two', () => {
    const candidates = upstreams(2)
    const balancer = p2c({ random: seededRandom(1) })
    const [busy, idle] = candidates
    if (busy) occupy(busy, 5)
    for (let i = 0; i < 100; i++) expect(balancer.pick(candidates, hint(0))).toBe(idle)
  })

  test('picks at random between similar estimates if nothing is pending', () => {
    const candidates = upstreams(2)
    const [fast, slow] = candidates as [Upstream, Upstream]
    fast.latency.observe(10, 0)
    slow.latency.observe(12, 0)
    const balancer = p2c({ random: seededRandom(1) })
    const picks = Array.from({ length: 1_000 }, () => balancer.pick(candidates, hint(0)))
    expect(picks.filter((pick) => pick === slow).length).toBeGreaterThan(400)
    slow.latency.observe(14, 0)
    for (let i = 0; i < 100; i++) expect(balancer.pick(candidates, hint(0))).toBe(fast)
  })

  test('picks the shorter queue, by however little, between similar estimates', () => {
    const candidates = upstreams(2)
    const [fast, idler] = candidates as [Upstream, Upstream]
    fast.latency.observe(10, 0)
    idler.latency.observe(12, 0)
    occupy(fast, 14)
    occupy(idler, 13)
    const balancer = p2c({ random: seededRandom(1) })
    for (let i = 0; i < 100; i++) expect(balancer.pick(candidates, hint(0))).toBe(idler)
  })

  test('compares two distinct candidates: the worst of all is never picked', () => {
    const candidates = upstreams(8)
    const worst = candidates[3] as Upstream
    occupy(worst, 1)
    const balancer = p2c({ random: seededRandom(9) })
    for (let i = 0; i < 2_000; i++) expect(balancer.pick(candidates, hint(0))).not.toBe(worst)
  })

  test('a slow upstream costs more; with double weight a pending call counts half, and an idle one costs the same', () => {
    const [one, two] = upstreams(2) as [Upstream, Upstream]
    one.latency.observe(100, 0)
    expect(one.cost(0)).toBeGreaterThan(9 * two.cost(0))
    const heavy = upstreams([2])[0] as Upstream
    expect(heavy.cost(0)).toBe(two.cost(0))
    occupy(heavy, 4)
    occupy(two, 2)
    expect(heavy.cost(0)).toBe(two.cost(0))
  })

  test.each([
    [0, 2.2],
    [5, 1.3],
    [20, 1.3],
  ])(
    'gives a task with a tenth of the weight its share of calls, with %i pending at each',
    (waiting, most) => {
      const candidates = upstreams([1, 1, 1, 1, 0.1])
      const light = candidates[4] as Upstream
      const balancer = p2c({ random: seededRandom(4) })
      const line: Upstream[] = []
      let picked = 0
      for (let i = 0; i < 40_000; i++) {
        const upstream = balancer.pick(candidates, hint(0)) as Upstream
        if (upstream === light) picked++
        upstream.begin(0)
        line.push(upstream)
        if (line.length > waiting * candidates.length) finish(line.shift() as Upstream, 0)
      }
      const fair = 0.1 / 4.1
      expect(picked / 40_000).toBeGreaterThan(fair / most)
      expect(picked / 40_000).toBeLessThan(fair * most)
    },
  )
})

describe('round robin', () => {
  test('picks each in turn, from a random one', () => {
    const candidates = upstreams(4)
    const balancer = roundRobin({ random: { next: () => 0.6 } })
    const picked = Array.from({ length: 6 }, () =>
      candidates.indexOf(balancer.pick(candidates, hint(0)) as Upstream),
    )
    expect(picked).toEqual([2, 3, 0, 1, 2, 3])
  })
})
