import { systemRandom, type Random } from '../core/clock.ts'
import type { Balancer } from './balancer.ts'
import type { Candidate } from './candidate.ts'

/**
 * Each upstream in turn. Starts at a random one, so that a fleet of clients deployed together does not walk
 * over the tasks in step. Blind to load and weight: for tests, and for tasks that are all alike.
 */
export function roundRobin(options: { readonly random?: Random | undefined } = {}): Balancer {
  const random = options.random ?? systemRandom
  // By the set of candidates, so that services which share a balancer, and retries among what is left, do not
  // move one another's turn.
  const positions = new WeakMap<readonly Candidate[], number>()
  return {
    pick(candidates) {
      const count = candidates.length
      if (count === 0) return undefined
      const last = positions.get(candidates)
      const position = last === undefined ? Math.floor(random.next() * count) : (last + 1) % count
      positions.set(candidates, position)
      return candidates[position]
    },
  }
}
