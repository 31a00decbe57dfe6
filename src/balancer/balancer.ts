import type { Candidate } from './candidate.ts'

/** What a balancer may know of the call that it picks for. */
export interface PickHint {
  /** The moment of the pick, in ms on the injected clock. */
  readonly now: number
  /** What the balancer's `keyOf` said of the call; undefined where it has none. */
  readonly key: string | undefined
  /** Whether the call may be sent again if it fails, and so may be a probe. Asked only where a probe is due [true]. */
  readonly idempotent?: boolean
  /** Whether its body can be sent again: one that is read as it is sent may be too long for that [true]. */
  readonly replayable?: boolean
}

/** What a balancer may read of a request to find its key. */
export interface KeyedRequest {
  /** As the caller wrote it, e.g. `GET`. */
  readonly method: string
  /** With the query, as far as it stands in the path. */
  readonly path: string
  /** The first value of a header, in whatever case it was written; undefined where there is none. */
  header(name: string): string | undefined
}

/**
 * Chooses one of the candidates, which are all able to take the call.
 *
 * `candidates` is never changed in place: another set comes as another array. Returns undefined only for an
 * empty one. A balancer may keep state of its own (a position), but none about upstreams: load and health are
 * theirs. It must not allocate: it runs for every attempt of every call.
 */
export interface Balancer {
  /** Returns one of `candidates`; undefined only if there are none. */
  pick(candidates: readonly Candidate[], hint: PickHint): Candidate | undefined
  /**
   * What places a call, for balancers that send calls of one kind to one place. Asked once per call, before its
   * first attempt; all its attempts have the same key. What it throws fails the call.
   */
  keyOf?(request: KeyedRequest): string | undefined
}
