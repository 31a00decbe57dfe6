import { systemRandom, type Random } from '../core/clock.ts'
import type { Balancer } from './balancer.ts'
import type { Candidate } from './candidate.ts'

/**
 * Each candidate in turn. It starts at a random one, so that clients deployed together do not call the tasks in step. It
 * ignores load and weight: for tests, and for tasks that are all alike.
 */
export function roundRobin(options: { readonly random?: Random | undefined } = {}): Balancer {
  const random = options.random ?? systemRandom
  // By the set of candidates: services that share a balancer, and retries among fewer candidates, have turns of their
  // own.
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
