import { systemRandom, type Random } from '../core/clock.ts'
import type { Balancer } from './balancer.ts'

/**
 * Each upstream in turn. Starts at a random one, so that a fleet of clients deployed together does not walk
 * over the tasks in step. Blind to load and weight: for tests, and for tasks that are all alike.
 */
export function roundRobin(options: { readonly random?: Random } = {}): Balancer {
  const random = options.random ?? systemRandom
  let position = -1
  return {
    pick(candidates) {
      const count = candidates.length
      if (count === 0) return undefined
      position = position === -1 ? Math.floor(random.next() * count) : (position + 1) % count
      return candidates[position]
    },
  }
}
