import { systemRandom, type Random } from '../core/clock.ts'
import type { Balancer } from './balancer.ts'

/**
 * Power of two choices: of two distinct upstreams drawn at random, the one that costs less.
 *
 * Costs the same at any cluster size, and unlike "the cheapest of all" does not send a whole fleet of clients
 * to the one task that looks idle at the moment.
 * Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001; the cost is
 * peak EWMA x pending, as in Finagle and linkerd.
 */
export function p2c(options: { readonly random?: Random } = {}): Balancer {
  const random = options.random ?? systemRandom
  return {
    pick(candidates, hint) {
      const count = candidates.length
      if (count < 2) return candidates[0]
      const first = Math.floor(random.next() * count)
      // One of the others: drawn from one place fewer, stepping over the first.
      const drawn = Math.floor(random.next() * (count - 1))
      const one = candidates[first]
      const other = candidates[drawn < first ? drawn : drawn + 1]
      if (one === undefined || other === undefined) return one ?? other
      return one.cost(hint.now) <= other.cost(hint.now) ? one : other
    },
  }
}
