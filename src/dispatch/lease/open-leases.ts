import type { Clock } from '../../core/clock.ts'
import { TimeLimit, type Limited } from '../call/time-limit.ts'

/** How long a lease may stay open before it is registered. */
const YOUNG_MS = 1_000

/** The state of a lease, apart from the object that its holder has. */
export interface LeaseState {
  /** Nothing refers to the lease any more, and it has not ended. */
  leaked(): void
}

/**
 * The open leases of a route, so that those that are dropped without their end are noticed.
 *
 * A `FinalizationRegistry` notices it, and costs 12 µs a lease. Most leases end within a second, so only those that do
 * not are registered. Until then they are held here, in the list of a time limit: a `Map` would cost 0.1 µs a lease.
 */
export class OpenLeases {
  readonly #young: TimeLimit
  readonly #registry = new FinalizationRegistry<LeaseState>((state) => state.leaked())

  constructor(clock: Clock) {
    this.#young = new TimeLimit(clock, YOUNG_MS)
  }

  /** The lease begins. `exceed` of it calls `register`. */
  add(lease: Limited, now: number): void {
    this.#young.start(lease, now)
  }

  /** It is open for a while. From now on nothing here refers to it. @param state must not refer to the lease */
  register(lease: object, state: LeaseState): void {
    this.#registry.register(lease, state, state)
  }

  /** The lease has ended. */
  delete(lease: Limited, state: LeaseState): void {
    if (lease.limit === undefined) this.#registry.unregister(state)
    else this.#young.stop(lease)
  }

  /** Nothing is noticed from now on, except for leases that are registered. */
  close(): void {
    this.#young.close()
  }
}
