import type { Snapshot } from './endpoint.ts'
import type { ServiceName } from './service-name.ts'

/**
 * Finds all endpoints of a service.
 *
 * - Returns the complete set each time, and an empty one only when the source says so with authority.
 * - Rejects with a `ResolutionFailedError` when it does not know (the cache then keeps its last good set).
 * - Rejects with the signal's reason as soon as it aborts, leaving no socket or timer.
 */
export interface Resolver {
  /** Looks `service` up once. `signal` ends the lookup. */
  resolve(service: ServiceName, signal: AbortSignal): Promise<Snapshot>
  /**
   * Whether its endpoints are the user's own words, and not what another party may have registered: the address guard
   * lets them pass [false].
   */
  readonly trusted?: boolean | undefined
  /** Frees what the resolver holds (sockets, SDK clients). A resolver without state needs none. */
  close?(): void | Promise<void>
}
