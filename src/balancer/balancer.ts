/**
 * Chooses the task for a call. One function a file implements it: `p2c` (the default), `leastRequest`, `random`,
 * `roundRobin`, `consistentHash`.
 */
import type { Candidate } from './candidate.ts'

/** What a balancer may know of the call that it picks for. */
export interface PickHint {
  /** The time of the pick, in ms on the injected clock. */
  readonly now: number
  /** The call's key from the balancer's `keyOf`; undefined without a key. */
  readonly key: string | undefined
  /** Whether the call may be sent again if it fails, so that it can be a probe. Read only when a probe is due [true]. */
  readonly idempotent?: boolean
  /** Whether its body can be sent again. A body that is streamed may be too long for that [true]. */
  readonly replayable?: boolean
}

/** What a balancer may read of a request to find its key. */
export interface KeyedRequest {
  /** As the caller wrote it, e.g. `GET`. */
  readonly method: string
  /** The path, with the query if the path has one. */
  readonly path: string
  /** The first value of a header, whose name may be in any case; undefined if the request has none. */
  header(name: string): string | undefined
}

/**
 * Chooses one of the candidates. All of them can take the call.
 *
 * `candidates` never changes in place: another set is another array. A balancer may keep state of its own (a position),
 * but none about candidates, which know their load and latency. It must not allocate: it runs for every attempt.
 */
export interface Balancer {
  /** Returns one of `candidates`; undefined only if there are none. An error that it throws fails the call. */
  pick(candidates: readonly Candidate[], hint: PickHint): Candidate | undefined
  /**
   * The key of a call, for balancers that send calls with the same key to the same task. Called once per call, before
   * its first attempt; all attempts have the same key. An error that it throws fails the call.
   */
  keyOf?(request: KeyedRequest): string | undefined
}
