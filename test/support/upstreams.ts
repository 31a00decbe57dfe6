import type { Balancer, PickHint } from '../../src/balancer/balancer.ts'
import type { Candidate } from '../../src/balancer/candidate.ts'
import { Upstream } from '../../src/cluster/upstream.ts'
import { taskEndpoint } from '../../src/discovery/endpoint.ts'
import { answered, hint } from './clusters.ts'

/** Upstreams of weight 1, or one for each weight. */
export function upstreams(weights: number | readonly number[]): Upstream[] {
  const list = typeof weights === 'number' ? Array.from({ length: weights }, () => 1) : weights
  return list.map(
    (weight, i) => new Upstream(taskEndpoint(`10.0.${i >> 8}.${i & 255}`, { weight }), 80, 10, 0),
  )
}

/** Begins or ends attempts until so many are pending. */
export function occupy(upstream: Upstream, pending: number): void {
  while (upstream.pending < pending) upstream.begin(0)
  while (upstream.pending > pending) finish(upstream, 0)
}

/** The upstream answers one of its attempts. */
export function finish(upstream: Upstream, now: number): void {
  upstream.stopWaiting(answered(), now)
  upstream.end()
}

/** A candidate with the facts and costs of an upstream, for tests that replace some of them. */
export function factsOf(upstream: Upstream): Candidate {
  const { label, weight, zone, id, attributes, pending } = upstream
  return {
    ...{ label, weight, zone, id, attributes, pending },
    latencyMs: (now) => upstream.latencyMs(now),
    expectedMs: (now) => upstream.expectedMs(now),
    medianMs: (now) => upstream.medianMs(now),
    cost: (now) => upstream.cost(now),
  }
}

/** How often each candidate was picked, in their order. */
export function counts(
  balancer: Balancer,
  candidates: readonly Candidate[],
  picks: number,
  hintOf: (pick: number) => PickHint = () => hint(0),
): number[] {
  const picked = new Map<Candidate, number>()
  for (let i = 0; i < picks; i++) {
    const upstream = balancer.pick(candidates, hintOf(i)) as Candidate
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
