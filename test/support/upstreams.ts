import type { Balancer, PickHint } from '../../src/balancer/balancer.ts'
import { Upstream } from '../../src/cluster/upstream.ts'
import { taskEndpoint } from '../../src/discovery/endpoint.ts'
import { hint } from './clusters.ts'

/** So many upstreams that weigh 1, or one for each weight. */
export function upstreams(weights: number | readonly number[]): Upstream[] {
  const list = typeof weights === 'number' ? Array.from({ length: weights }, () => 1) : weights
  return list.map(
    (weight, i) => new Upstream(taskEndpoint(`10.0.${i >> 8}.${i & 255}`, { weight }), 80, 10, 0),
  )
}

/** How often each candidate was picked, in their order. */
export function counts(
  balancer: Balancer,
  candidates: readonly Upstream[],
  picks: number,
  hintOf: (pick: number) => PickHint = () => hint(0),
): number[] {
  const picked = new Map<Upstream, number>()
  for (let i = 0; i < picks; i++) {
    const upstream = balancer.pick(candidates, hintOf(i)) as Upstream
    picked.set(upstream, (picked.get(upstream) ?? 0) + 1)
  }
  return candidates.map((upstream) => picked.get(upstream) ?? 0)
}

/** Chi-square of counts against what they should be: about 1 for each degree of freedom if all is well. */
export function chiSquare(observed: readonly number[], weights: readonly number[]): number {
  const picks = observed.reduce((sum, count) => sum + count, 0)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return observed.reduce((sum, count, i) => {
    const expected = (picks * (weights[i] ?? 0)) / total
    return sum + (count - expected) ** 2 / expected
  }, 0)
}
