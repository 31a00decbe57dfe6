import type { Upstream } from '../cluster/upstream.ts'

/** What a balancer may know of the call that it picks for. */
export interface PickHint {
  /** The key by which consistent hashing places a call; undefined for all others. */
  readonly key: string | undefined
}

/**
 * Chooses one of the candidates, which are all able to take the call.
 *
 * `candidates` is never changed while it is alive: a change of the set comes as another array. Returns
 * undefined only for an empty one. May keep state of its own (a position), but none about upstreams: load and
 * health are theirs.
 */
export interface Balancer {
  pick(candidates: readonly Upstream[], hint: PickHint): Upstream | undefined
}
