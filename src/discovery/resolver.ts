import type { Snapshot } from './endpoint.ts'
import type { ServiceName } from './service-name.ts'
import type { Usage } from './usage.ts'

/**
 * Why a lookup is made:
 * - `expired`: what is known is not fresh any more
 * - `sign`: it may be fresh, but a connection was refused, or a task drains or was ejected
 * - `urgent`: the same, and calls fail until the change is known
 * - `ports`: the last answer has said that ports may come (`Snapshot.awaitsPorts`), and a call has none of its own. It goes
 *   on with whatever this lookup brings
 */
export type LookupReason = 'expired' | 'sign' | 'urgent' | 'ports'

/**
 * Finds all endpoints of a service.
 *
 * - Returns the complete set each time, and an empty one only when the source says so with authority.
 * - Rejects with a `ResolutionFailedError` when it does not know (the cache then keeps its last good set).
 * - Rejects with the signal's reason as soon as it aborts, leaving no socket or timer.
 */
export interface Resolver {
  /**
   * Looks `service` up once. `signal` ends the lookup.
   * @param reason a resolver that remembers answers should not rest on them after a sign [`expired`]
   */
  resolve(service: ServiceName, signal: AbortSignal, reason?: LookupReason): Promise<Snapshot>
  /** What lookups of `service` have asked of their sources so far; for `inspect()` [not counted]. */
  usage?(service: ServiceName): Usage | undefined
  /**
   * Whether its endpoints are the user's own words, and not what another party may have registered: the address guard
   * lets them pass [false].
   */
  readonly trusted?: boolean | undefined
  /** Frees what the resolver holds (sockets, SDK clients). A resolver without state needs none. */
  close?(): void | Promise<void>
}
