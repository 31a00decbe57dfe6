import { systemRandom, type Random } from '../core/clock.ts'
import type { Balancer } from './balancer.ts'
import { WeightedDraw } from './weighted-draw.ts'

/**
 * Estimates that differ by less are the same: then the queues decide, and where these are equal, the lot. Where calls
 * come one at a time, a task that is faster by a hair would get all of them, for no gain: measured with two tasks of
 * 1 ms, 1,591 calls of 1,600.
 */
const ABOUT_THE_SAME = 1.25

/**
 * Power of two choices: of two distinct upstreams drawn at random, the one that costs less.
 *
 * Costs the same at any cluster size, and unlike "the cheapest of all" does not send a whole fleet of clients
 * to the one task that looks idle at the moment.
 * Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001; the cost is
 * peak EWMA x pending, as in Finagle and linkerd.
 *
 * Draws are by weight, and an idle upstream costs the same whatever it weighs (docs/decisions/010): with the weight
 * as a divisor of the whole cost, a task of a tenth of its peers' weight would get no calls at all until they have
 * ten under way each.
 */
export function p2c(options: { readonly random?: Random | undefined } = {}): Balancer {
  const lots = new WeightedDraw(options.random ?? systemRandom)
  return {
    pick(candidates, { now }) {
      if (candidates.length < 2) return candidates[0]
      const first = lots.draw(candidates)
      const one = candidates[first]
      const other = candidates[lots.drawOther(candidates, first)]
      if (one === undefined || other === undefined) return one ?? other
      const oneMs = one.expectedMs(now)
      const otherMs = other.expectedMs(now)
      const same = aboutTheSame(one.weight, other.weight)
      if (oneMs < same * otherMs && otherMs < same * oneMs)
        return lots.isShorter(candidates, other, one) ? other : one
      const otherQueue = 1 + other.pending / other.weight
      const oneQueue = 1 + one.pending / one.weight
      return otherMs * otherQueue < oneMs * oneQueue ? other : one
    },
  }
}

/**
 * A peak EWMA is the higher the more samples there are, in services whose times vary: a task of nine times the weight
 * has nine times the samples, and looks slower for that alone. With lognormal times (99th percentile 3.2 times the
 * median) the task that weighs 1 got 34 % of the calls beside one of 9; with the root of the ratio, 10 %.
 */
function aboutTheSame(weight: number, otherWeight: number): number {
  if (weight === otherWeight) return ABOUT_THE_SAME
  return ABOUT_THE_SAME * Math.sqrt(Math.max(weight, otherWeight) / Math.min(weight, otherWeight))
}
