import { placeOf } from '../endpoint-set.ts'
import type { Endpoint, Snapshot } from '../endpoint.ts'

/**
 * An endpoint that has not been seen for this many TTLs is dropped with the next answer. That may come a TTL later, and
 * three are the limit; answers that come in step, a TTL apart and some ms late, drop what three of them lack.
 */
const UNSEEN_TTLS = 2.1

/** Reports which endpoints of a service answer calls. */
export interface LivenessSource {
  /** Those that answered a call at or after `time` (on the clock), and took every connection since. */
  answeredSince(time: number): Iterable<Endpoint>
}

interface Sighting {
  endpoint: Endpoint
  /** On the scale of `#coveredMs`. */
  at: number
  ttlMs: number
}

/**
 * What the answers of a source make up together, where each may be a sample.
 *
 * Route 53 names 8 of a service's tasks, other ones each time. Taking each answer for the whole set would close
 * and open the connections to most tasks with every TTL; keeping what was ever named would call tasks that are
 * long gone. So an endpoint stays until 3 TTLs after it was last seen: named by an answer, or answering a call.
 * The second matters: of 40 tasks, 3 answers of 8 name but every second one (1 - 0.8^3), yet all of them answer
 * calls. A task that has left refuses its next call, and then only answers can keep it.
 *
 * Time without answers does not count: after an outage of the source, one sample must not end what it lacks.
 */
export class SampleMerger {
  readonly #sightings = new Map<string, Sighting>()
  /** The last answer, if it was the whole set: sightings that were not needed yet. */
  #whole: readonly Endpoint[] | undefined
  /** Time for which there was a fresh answer, in ms, over all answers. */
  #coveredMs = 0
  /** Of the last answer; on the clock. */
  #takenAt = Number.NEGATIVE_INFINITY
  #ttlMs = 0

  /** The whole set, in the light of one more answer. */
  merge(answer: Snapshot, now: number, sources: Iterable<LivenessSource>): readonly Endpoint[] {
    if (answer.complete) this.#sightings.clear()
    else if (this.#whole !== undefined) this.#see(this.#whole)
    this.#whole = answer.complete ? answer.endpoints : undefined
    this.#coveredMs += Math.min(now - this.#takenAt, this.#ttlMs)
    this.#takenAt = now
    this.#ttlMs = Math.max(0, answer.expiresAt - now)
    if (answer.complete) return answer.endpoints
    this.#see(answer.endpoints)
    this.#dropUnseen(now, sources)
    return Array.from(this.#sightings.values(), ({ endpoint }) => endpoint)
  }

  /** No caller has looked for a while: what was known is not known any more. */
  forget(): void {
    this.#sightings.clear()
    this.#whole = undefined
  }

  #see(endpoints: readonly Endpoint[]): void {
    for (const endpoint of endpoints)
      this.#sightings.set(placeOf(endpoint), { endpoint, at: this.#coveredMs, ttlMs: this.#ttlMs })
  }

  #dropUnseen(now: number, sources: Iterable<LivenessSource>): void {
    // The longest, because a cached answer has the rest of its TTL.
    const ttlMs = Math.max(0, ...Array.from(this.#sightings.values(), (sighting) => sighting.ttlMs))
    const seenSince = this.#coveredMs - UNSEEN_TTLS * ttlMs
    let living: ReadonlySet<string> | undefined
    for (const [place, { at }] of this.#sightings) {
      if (at > seenSince) continue
      living ??= placesOf(sources, now - UNSEEN_TTLS * ttlMs)
      if (!living.has(place)) this.#sightings.delete(place)
    }
  }
}

function placesOf(sources: Iterable<LivenessSource>, since: number): ReadonlySet<string> {
  return new Set([...sources].flatMap((source) => Array.from(source.answeredSince(since), placeOf)))
}
