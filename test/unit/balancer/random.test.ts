import { describe, expect, test } from 'vitest'
import { random } from '../../../src/balancer/random.ts'
import type { Upstream } from '../../../src/cluster/upstream.ts'
import { taskEndpoint } from '../../../src/discovery/endpoint.ts'
import { seededRandom } from '../../../src/testing/fakes/seeded-random.ts'
import { chiSquare, counts, upstreams } from '../../support/upstreams.ts'

// 99.9 % of correct draws stay below these.
const CHI_SQUARE_4 = 18.5
const CHI_SQUARE_99 = 149

describe('random', () => {
  test('gives each candidate a share by weight', () => {
    const weights = [2, 1, 1, 0.1, 0.5]
    const picked = counts(random({ random: seededRandom(1) }), upstreams(weights), 100_000)
    expect(chiSquare(picked, weights)).toBeLessThan(CHI_SQUARE_4)
  })

  test('also if one outweighs all others', () => {
    const weights = Array.from({ length: 100 }, (_, i) => (i === 42 ? 1_000 : 1))
    const picked = counts(random({ random: seededRandom(2) }), upstreams(weights), 200_000)
    expect(chiSquare(picked, weights)).toBeLessThan(CHI_SQUARE_99)
  })

  test('follows weights that change while the set stays the same', () => {
    const candidates = upstreams([1, 1, 1, 1, 1])
    const balancer = random({ random: seededRandom(3) })
    counts(balancer, candidates, 100)
    for (const weights of [
      [1, 8, 1, 1, 1],
      [0.5, 0.1, 1, 0.1, 0.1],
    ]) {
      for (const [i, weight] of weights.entries()) {
        const upstream = candidates[i] as Upstream
        upstream.update(taskEndpoint(upstream.endpoint.address, { weight }))
      }
      expect(chiSquare(counts(balancer, candidates, 100_000), weights)).toBeLessThan(CHI_SQUARE_4)
    }
  })

  test('takes one draw for equal weights, whatever the number of candidates', () => {
    let draws = 0
    const seeded = seededRandom(4)
    const balancer = random({ random: { next: () => (draws++, seeded.next()) } })
    counts(balancer, upstreams(1_000), 10_000)
    expect(draws).toBe(10_000)
  })
})
