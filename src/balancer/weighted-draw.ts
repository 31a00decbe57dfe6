import type { Random } from '../core/clock.ts'
import type { Candidate } from './candidate.ts'

/** With weights that lie within a factor of two, fewer than one draw in 60,000 is still without a result. */
const MOST_TRIES = 16

interface Weights {
  readonly heaviest: number
  readonly total: number
}

/**
 * Draws upstreams by chance in proportion to their weights, at a cost that does not depend on how many there are.
 *
 * Rejection sampling (von Neumann, 1951): one is drawn evenly, and kept with the probability weight ÷ heaviest;
 * that takes heaviest ÷ mean tries, which is 1 where all weigh the same. An alias table (Walker, Vose) takes 1
 * always, but has to be built anew for each set, also for those that serve a single retry, and whenever a snapshot
 * brings another weight. After some tries in vain a scan decides, which gives the same shares: tries that were
 * rejected tell nothing of the next.
 */
export class WeightedDraw {
  readonly #random: Random
  /** Of each set, as far as it is known: weights may change while the set stays. */
  readonly #weights = new WeakMap<readonly Candidate[], Weights>()
  /** Of the set that was drawn from last, which is nearly always the next one too: a look into a map costs more. */
  #last: readonly Candidate[] | undefined = undefined
  #heaviestOfLast = 0
  #totalOfLast = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** @returns the index of one of the candidates; 0 where there are none */
  draw(candidates: readonly Candidate[]): number {
    const count = candidates.length
    if (count < 2) return 0
    if (candidates !== this.#last) return this.#drawAnew(candidates)
    // One number for both: its whole part says which, and the rest of it whether that is kept.
    const drawn = this.#random.next() * count
    const index = Math.floor(drawn)
    const { weight } = candidates[index] as Candidate
    return weight === this.#heaviestOfLast ? index : this.#keep(candidates, drawn)
  }

  /** The index of another one than `first`, of two or more. */
  drawOther(candidates: readonly Candidate[], first: number): number {
    for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
      const index = this.draw(candidates)
      if (index !== first) return index
    }
    // It outweighs all the others together by far: which of them is compared with it matters little.
    const drawn = Math.floor(this.#random.next() * (candidates.length - 1))
    return drawn < first ? drawn : drawn + 1
  }

  /**
   * Whether a queue at `other` is the shorter one for a call that `one` was drawn for: pending ÷ weight.
   *
   * Whole calls are coarse. Of two tasks that weigh 9 and 1 and have 7 and 0 calls under way, the light one has less to
   * do than its part, and with one call more than its part. It then takes the call so often that on average it has its
   * part under way: drawn are the two in proportion to their weights, and what the shorter queue moves from one to the
   * other is as much as it moves back. Where weights are equal there is no such case.
   */
  isShorter(candidates: readonly Candidate[], other: Candidate, one: Candidate): boolean {
    const { weight } = one
    const { weight: otherWeight } = other
    if (weight === otherWeight) return other.pending < one.pending
    const load = one.pending * otherWeight
    if (other.pending * weight >= load) return false
    if ((other.pending + 1) * weight <= load) return true
    // The fraction of a call by which the other has less than its part of what is under way at both.
    const lack = ((one.pending + other.pending) * otherWeight) / (weight + otherWeight) - other.pending
    if (candidates !== this.#last) this.#scan(candidates)
    const total = this.#totalOfLast
    // Being the second of two distinct ones, it is compared with a heavy one more often than that is with it.
    const evenly = weight > otherWeight ? (total - weight) / (total - otherWeight) : 1
    return this.#random.next() * (1 - lack) < evenly * lack
  }

  #drawAnew(candidates: readonly Candidate[]): number {
    const weights = this.#weights.get(candidates)
    if (weights === undefined) return this.#scan(candidates)
    this.#remember(candidates, weights.heaviest, weights.total)
    return this.draw(candidates)
  }

  /** Where weights differ: what was drawn, or what is drawn instead. */
  #keep(candidates: readonly Candidate[], first: number): number {
    const heaviest = this.#heaviestOfLast
    let drawn = first
    for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
      if (attempt > 0) drawn = this.#random.next() * candidates.length
      const index = Math.floor(drawn)
      const { weight } = candidates[index] as Candidate
      // It got heavier since: what is known now is right from the next draw on.
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
    // What rounding left over.
    return candidates.length - 1
  }
}
