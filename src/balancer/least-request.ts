import { checkKeys, checkNumber } from '../core/check/check.ts'
import { systemRandom, type Random } from '../core/clock.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { Balancer } from './balancer.ts'
import type { Candidate } from './candidate.ts'
import { WeightedDraw } from './weighted-draw.ts'

/** Options of `leastRequest`. */
export interface LeastRequestOptions {
  /**
   * How many are drawn and compared, from 2 [2]; `'all'`: every candidate.
   *
   * Two are nearly as good as all, at a cost that does not grow with the fleet; and where many clients look at all,
   * they agree on the one that looks idle to each of them, and crowd it.
   */
  readonly choices?: number | 'all' | undefined
  /** Source of randomness, for tests [the system's]. */
  readonly random?: Random | undefined
}

/**
 * The fewest calls under way by weight: pending ÷ weight, of two drawn by chance, or of all.
 *
 * Knows nothing of latency: for calls whose time says little of the task (long polls, uploads, streams). Elsewhere
 * `p2c`, which tells a slow task from a fast one before calls pile up there.
 *
 * Draws are by weight, and ties go to the first drawn: an idle fleet, where all have 0 pending, is used in exact
 * proportion to weight, and a busy one is led there by pending ÷ weight.
 * As Envoy's LEAST_REQUEST (`choice_count` 2, `FULL_SCAN` as an option), but for weights, for which Envoy leaves
 * the two choices and goes through all by turns. Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing", IEEE TPDS 12(10), 2001; for draws by weight, Wieder, "Balanced Allocations with Heterogenous Bins",
 * SPAA 2007.
 * @throws InvalidOptionsError for choices that are no integer from 2
 */
export function leastRequest(options: LeastRequestOptions = {}): Balancer {
  checkKeys('', options, ['choices', 'random'])
  const chance = options.random ?? systemRandom
  const choices = choicesOf(options.choices ?? 2)
  const lots = new WeightedDraw(chance)
  return {
    pick(candidates) {
      const { length } = candidates
      // Two are drawn also where there are no more: that is what keeps their weights.
      if (length < 2 || (length <= choices && (length > 2 || choices > 2)))
        return leastOfAll(candidates, chance)
      let best = lots.draw(candidates)
      for (let choice = 1; choice < choices; choice++) {
        const other = lots.drawOther(candidates, best)
        if (lots.isShorter(candidates, candidates[other] as Candidate, candidates[best] as Candidate))
          best = other
      }
      return candidates[best]
    },
  }
}

/** Ties by chance in proportion to weight, as in draws. */
function leastOfAll(candidates: readonly Candidate[], chance: Random): Candidate | undefined {
  let best = candidates[0]
  if (best === undefined) return undefined
  let lowest = loadOf(best)
  let tied = best.weight
  for (let i = 1; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate
    const load = loadOf(candidate)
    if (load > lowest) continue
    const { weight } = candidate
    tied = load < lowest ? weight : tied + weight
    if (load < lowest || chance.next() * tied < weight) best = candidate
    lowest = load
  }
  return best
}

function loadOf(candidate: Candidate): number {
  return candidate.pending / candidate.weight
}

function choicesOf(choices: number | 'all'): number {
  if (choices === 'all') return Number.POSITIVE_INFINITY
  if (typeof choices !== 'number')
    throw new InvalidOptionsError('choices', choices, '"all", or an integer from 2')
  return checkNumber('choices', choices, { min: 2, integer: true })
}
