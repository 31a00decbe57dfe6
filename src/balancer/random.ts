import { systemRandom, type Random } from '../core/clock.ts'
import type { Balancer } from './balancer.ts'
import { WeightedDraw } from './weighted-draw.ts'

/**
 * At random, in proportion to weight. It ignores load: a baseline for the others, and for fleets with so many clients
 * that one client's knowledge of a task says nothing.
 *
 * A pick takes heaviest ÷ mean weight draws on average (1 if weights are equal), whatever the number of candidates.
 */
export function random(options: { readonly random?: Random | undefined } = {}): Balancer {
  const draws = new WeightedDraw(options.random ?? systemRandom)
  return {
    pick(candidates) {
      return candidates[draws.draw(candidates)]
    },
  }
}
