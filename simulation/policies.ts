/** The subjects: onehop's balancers with all health rules, and the balancers of others without them. */
import {
  leastRequest,
  p2c,
  random as byLot,
  roundRobin,
  type Balancer,
  type Candidate,
  type Random,
} from 'onehop'

export interface Policy {
  readonly name: string
  readonly balancer: (random: Random) => Balancer
  /** Whether failing tasks are ejected and new ones start slowly. All policies avoid tasks that refuse connections. */
  readonly health: boolean
  /** Whether it knows zones. */
  readonly zones: boolean
}

export const ONEHOP: Policy = {
  name: 'onehop (p2c)',
  balancer: (random) => p2c({ random }),
  health: true,
  zones: true,
}

export const POLICIES: readonly Policy[] = [
  ONEHOP,
  {
    name: 'onehop, leastRequest',
    balancer: (random) => leastRequest({ random }),
    health: true,
    zones: true,
  },
  { name: 'round robin', balancer: (random) => roundRobin({ random }), health: false, zones: false },
  { name: 'random', balancer: (random) => byLot({ random }), health: false, zones: false },
  {
    name: 'least requests of all',
    balancer: (random) => leastRequest({ random, choices: 'all' }),
    health: false,
    zones: false,
  },
  { name: "Envoy's least request", balancer: envoyLeastRequest, health: false, zones: false },
]

/**
 * Envoy's LEAST_REQUEST with equal weights: of two random tasks, which may be the same one, the one with fewer active
 * requests. ("Supported load balancers", Envoy's documentation.)
 */
function envoyLeastRequest(random: Random): Balancer {
  const draw = (candidates: readonly Candidate[]): Candidate | undefined =>
    candidates[Math.floor(random.next() * candidates.length)]
  return {
    pick(candidates) {
      const one = draw(candidates)
      const other = draw(candidates)
      if (one === undefined || other === undefined) return one
      return other.pending < one.pending ? other : one
    },
  }
}
