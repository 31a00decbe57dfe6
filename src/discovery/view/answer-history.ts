import { emit } from '../../core/events.ts'
import { sameEndpoints } from '../endpoint-set.ts'
import type { Endpoint, Snapshot } from '../endpoint.ts'
import { SampleMerger, type LivenessSource } from './sample-merger.ts'

/** An empty answer after a non-empty one is not believed for this long: registries have hiccups. */
const EMPTY_HOLD_MS = 30_000

/** What the answers of one service make up: samples are merged, and empty answers are held for a while. */
export class AnswerHistory {
  /** Since when each answer has been an empty one; on the clock. */
  emptySince: number | undefined
  /** Whether any answer has named endpoints. */
  hasNamed = false
  /** They say which endpoints live that a sample lacks. */
  readonly livenessSources: Set<LivenessSource> = new Set()
  readonly #host: string
  readonly #merger = new SampleMerger()

  constructor(host: string) {
    this.#host = host
  }

  /**
   * @param known what is served so far; undefined: nothing
   * @param isAfterPause the service was not in use: what was true before may be another task's address by now
   * @returns what is served from now on: the array `known` if nothing about it has changed
   */
  add(
    fresh: Snapshot,
    known: readonly Endpoint[] | undefined,
    now: number,
    isAfterPause: boolean,
  ): readonly Endpoint[] {
    const isFirstEmpty = this.emptySince === undefined
    this.emptySince = fresh.endpoints.length > 0 ? undefined : (this.emptySince ?? now)
    if (isAfterPause) this.#merger.forget()
    else if (known !== undefined && known.length > 0 && this.#isHeld(now)) {
      if (isFirstEmpty) this.#announceHeld(fresh.source, known.length)
      return known
    }
    const merged = this.#merger.merge(fresh, now, this.livenessSources)
    this.hasNamed ||= merged.length > 0
    return known !== undefined && sameEndpoints(known, merged) ? known : merged
  }

  #isHeld(now: number): boolean {
    return this.emptySince !== undefined && now < this.emptySince + EMPTY_HOLD_MS
  }

  #announceHeld(source: string, endpoints: number): void {
    const host = this.#host
    emit('onehop:snapshot.held', () => ({ host, source, endpoints, forMs: EMPTY_HOLD_MS }))
  }
}
