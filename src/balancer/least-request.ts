import { checkKeys, checkNumber } from '../core/check/check.ts'
import { systemRandom, type Random } from '../core/clock.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { Balancer } from './balancer.ts'
import type { Candidate } from './candidate.ts'
import { WeightedDraw } from './weighted-draw.ts'

/** Options of `leastRequest`. */
export interface LeastRequestOptions {
  /**
   * How many candidates are drawn and compared, from 2 [2]; `'all'`: every candidate.
   *
   * Two are nearly as good as all, at a cost that does not grow with the fleet. Many clients that compare all agree on
   * the task that looks idle to each of them, and crowd it.
   */
  readonly choices?: number | 'all' | undefined
  /** Source of randomness, for tests [the system's]. */
  readonly random?: Random | undefined
}

/**
 * Fewest pending calls by weight: pending ÷ weight, of two drawn at random, or of all.
 *
 * It ignores latency: for calls whose duration says little about the task (long polls, uploads, streams). For others use
 * `p2c`, which avoids a slow task before calls pile up there.
 *
 * Draws are by weight, and ties go to the first drawn. So an idle fleet is used in exact proportion to weight, and
 * pending ÷ weight leads a busy one there.
 * As Envoy's LEAST_REQUEST (`choice_count` 2, `FULL_SCAN` as an option), except for weights: with them Envoy uses round
 * robin over all. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12(10), 2001; for
 * draws by weight, Wieder, "Balanced Allocations with Heterogenous Bins", SPAA 2007.
 * @throws InvalidOptionsError unless `choices` is `'all'` or an integer from 2
 */
export function leastRequest(options: LeastRequestOptions = {}): Balancer {
  checkKeys('', options, ['choices', 'random'])
  const source = options.random ?? systemRandom
  const choices = choicesOf(options.choices ?? 2)
  const draws = new WeightedDraw(source)
  return {
    pick(candidates) {
      const { length } = candidates
      // Of two candidates both are drawn, too: the draw keeps their weights.
      if (length < 2 || (length <= choices && (length > 2 || choices > 2)))
        return leastOfAll(candidates, source)
      let best = draws.draw(candidates)
      for (let choice = 1; choice < choices; choice++) {
        const other = draws.drawOther(candidates, best)
        if (draws.isShorter(candidates, candidates[other] as Candidate, candidates[best] as Candidate))
          best = other
      }
      return candidates[best]
    },
  }
}

/** Breaks ties at random in proportion to weight, as draws do. */
function leastOfAll(candidates: readonly Candidate[], source: Random): Candidate | undefined {
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
    if (load < lowest || source.next() * tied < weight) best = candidate
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
