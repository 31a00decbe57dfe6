import { systemRandom, type Random } from '../core/clock.ts'
import type { Balancer } from './balancer.ts'
import { WeightedDraw } from './weighted-draw.ts'

/**
 * By chance alone, in proportion to weight. Blind to load: a yardstick for the others, and for fleets that are so
 * large, with clients so many, that what one client knows of a task says nothing.
 *
 * A pick costs heaviest ÷ mean weight draws (1 where weights are equal), whatever the number of candidates.
 */
export function random(options: { readonly random?: Random | undefined } = {}): Balancer {
  const lots = new WeightedDraw(options.random ?? systemRandom)
  return {
    pick(candidates) {
      return candidates[lots.draw(candidates)]
    },
  }
}
