import type { LivenessSource } from './sample-merger.ts'
import type { Snapshot } from '../endpoint.ts'

/**
 * What discovery knows of a service, for its callers. The protocol: `touch(now)`; if it returns false, await
 * `whenUsable()`; then read `snapshot`, or `error` if there is none.
 */
export interface View {
  /** The last good set. `endpoints` is the same array as long as nothing about them changes. */
  readonly snapshot: Snapshot | undefined
  /** Why there is no snapshot, or why it is old. */
  readonly error: Error | undefined
  /**
   * Marks the service as in use, which keeps it refreshed.
   * @param needsPort the caller has no port of its own, and waits while discovery may still learn it [false]
   * @returns whether calls can go on without waiting
   */
  touch(now: number, needsPort?: boolean): boolean
  /**
   * Resolves when calls may go on: with a `snapshot`, or with an `error` that stands until the next lookup.
   * @param needsPort as above [false]
   */
  whenUsable(needsPort?: boolean): Promise<void>
  /**
   * Asks anew before expiry, because an endpoint refused a connection, drains or was ejected. At most once a second;
   * while lookups fail every 5 s, unless calls fail for it.
   */
  refreshEarly(now: number, callsFail: boolean): void
  /** From now on, `source` says which endpoints live that a sample lacks. */
  addLivenessSource(source: LivenessSource): void
  removeLivenessSource(source: LivenessSource): void
}
