import type { Upstream } from '../cluster/upstream.ts'

/** What a balancer may know of the call that it picks for. */
export interface PickHint {
  /** The moment of the pick, in ms on the injected clock. */
  readonly now: number
  /** The key by which consistent hashing places a call; undefined for all others. */
  readonly key: string | undefined
}

/**
 * Chooses one of the candidates, which are all able to take the call.
 *
 * `candidates` is never changed in place: another set comes as another array. Returns undefined only for an
 * empty one. A balancer may keep state of its own (a position), but none about upstreams: load and health are
 * theirs. It must not allocate: it runs for every attempt of every call.
 */
export interface Balancer {
  pick(candidates: readonly Upstream[], hint: PickHint): Upstream | undefined
}
