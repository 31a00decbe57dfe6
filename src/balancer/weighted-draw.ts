import type { Random } from '../core/clock.ts'
import type { Candidate } from './candidate.ts'

/** With weights within a factor of two, fewer than one draw in 60,000 has no result after this many tries. */
const MAX_TRIES = 16

interface Weights {
  readonly heaviest: number
  readonly total: number
}

/**
 * Draws candidates at random in proportion to their weights, at a cost that does not depend on their number.
 *
 * Rejection sampling (von Neumann, 1951): a candidate is drawn evenly, and kept with the probability weight ÷ heaviest.
 * That takes heaviest ÷ mean tries, which is 1 for equal weights. An alias table (Walker, Vose) always takes 1, but each
 * set needs a new one, even the set of a single retry, and so does each new weight. After `MAX_TRIES` a scan decides. It
 * gives the same shares, because tries are independent.
 */
export class WeightedDraw {
  readonly #random: Random
  /** By set, as last seen: weights may change while the set stays. */
  readonly #weights = new WeakMap<readonly Candidate[], Weights>()
  /** The set of the last draw, and nearly always of the next one: faster than the map. */
  #last: readonly Candidate[] | undefined = undefined
  #heaviestOfLast = 0
  #totalOfLast = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** @returns the index of a candidate; 0 if there are none */
  draw(candidates: readonly Candidate[]): number {
    const count = candidates.length
    if (count < 2) return 0
    if (candidates !== this.#last) return this.#drawAnew(candidates)
    // One random number for both: its integer part is the index, and its fraction decides whether that is kept.
    const drawn = this.#random.next() * count
    const index = Math.floor(drawn)
    const { weight } = candidates[index] as Candidate
    return weight === this.#heaviestOfLast ? index : this.#keep(candidates, drawn)
  }

  /** @returns another index than `first`, of two or more candidates */
  drawOther(candidates: readonly Candidate[], first: number): number {
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      const index = this.draw(candidates)
      if (index !== first) return index
    }
    // The first outweighs all others together by far: which of them is compared with it matters little.
    const drawn = Math.floor(this.#random.next() * (candidates.length - 1))
    return drawn < first ? drawn : drawn + 1
  }

  /**
   * Whether `other` has the shorter queue (pending ÷ weight) for a call that `one` was drawn for.
   *
   * Whole calls are coarse. Of two tasks of weight 9 and 1 with 7 and 0 pending calls, the light one has less than its
   * share, and with one more call it has more. It then takes the call with such a probability that its mean is its share:
   * the two are drawn in proportion to their weights, so the queue moves as many calls from one to the other as back.
   * With equal weights a whole call is exact.
   */
  isShorter(candidates: readonly Candidate[], other: Candidate, one: Candidate): boolean {
    const { weight } = one
    const { weight: otherWeight } = other
    if (weight === otherWeight) return other.pending < one.pending
    const load = one.pending * otherWeight
    if (other.pending * weight >= load) return false
    if ((other.pending + 1) * weight <= load) return true
    // The fraction of a call by which the other has less than its share of the calls pending at both.
    const lack = ((one.pending + other.pending) * otherWeight) / (weight + otherWeight) - other.pending
    if (candidates !== this.#last) this.#scan(candidates)
    const total = this.#totalOfLast
    // The second of two distinct draws: it meets a heavy first one more often than the reverse.
    const evenly = weight > otherWeight ? (total - weight) / (total - otherWeight) : 1
    return this.#random.next() * (1 - lack) < evenly * lack
  }

  #drawAnew(candidates: readonly Candidate[]): number {
    const weights = this.#weights.get(candidates)
    if (weights === undefined) return this.#scan(candidates)
    this.#remember(candidates, weights.heaviest, weights.total)
    return this.draw(candidates)
  }

  /** Keeps the drawn index, or draws again. */
  #keep(candidates: readonly Candidate[], first: number): number {
    const heaviest = this.#heaviestOfLast
    let drawn = first
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      if (attempt > 0) drawn = this.#random.next() * candidates.length
      const index = Math.floor(drawn)
      const { weight } = candidates[index] as Candidate
      // Its weight has grown since: the next draw uses the new one.
      if (weight > heaviest) {
        this.#remember(candidates, weight, this.#totalOfLast + weight - heaviest)
        return index
      }
      if ((drawn - index) * heaviest < weight) return index
    }
    return this.#scan(candidates)
  }

  #remember(candidates: readonly Candidate[], heaviest: number, total: number): void {
    const known = this.#weights.get(candidates)
    if (known?.heaviest !== heaviest || known.total !== total)
      this.#weights.set(candidates, { heaviest, total })
    this.#last = candidates
    this.#heaviestOfLast = heaviest
    this.#totalOfLast = total
  }

  #scan(candidates: readonly Candidate[]): number {
    let total = 0
    let heaviest = 0
    for (let i = 0; i < candidates.length; i++) {
      const { weight } = candidates[i] as Candidate
      total += weight
      if (weight > heaviest) heaviest = weight
    }
    this.#remember(candidates, heaviest, total)
    let left = this.#random.next() * total
    for (let i = 0; i < candidates.length; i++) {
      left -= (candidates[i] as Candidate).weight
      if (left < 0) return i
    }
    // Rounding left a remainder.
    return candidates.length - 1
  }
}
