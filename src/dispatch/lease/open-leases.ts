import type { Clock, Timer } from '../../core/clock.ts'

/** How long a lease may stay open before it is registered: between this and twice as long. */
const SWEEP_MS = 1_000

/** The state of a lease, apart from the object that its holder has. */
export interface LeaseState {
  /** Nothing refers to the lease any more, and it has not ended. */
  leaked(): void
}

/**
 * The open leases of a route, so that those that are dropped without their end are noticed.
 *
 * A `FinalizationRegistry` notices it, and costs 12 µs a lease. Most leases end within a second, so only those that do
 * not are registered. Until then they are held here.
 */
export class OpenLeases {
  readonly #clock: Clock
  readonly #registry = new FinalizationRegistry<LeaseState>((state) => state.leaked())
  #young = new Map<object, LeaseState>()
  /** Open since the sweep before the last. */
  #older = new Map<object, LeaseState>()
  #timer: Timer | undefined = undefined
  #isClosed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param state must not refer to the lease */
  add(lease: object, state: LeaseState): void {
    this.#young.set(lease, state)
    if (this.#timer === undefined) this.#schedule()
  }

  /** The lease has ended. */
  delete(lease: object, state: LeaseState): void {
    if (!this.#young.delete(lease) && !this.#older.delete(lease)) this.#registry.unregister(state)
  }

  /** Nothing is noticed from now on. */
  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#young.clear()
    this.#older.clear()
  }

  #schedule(): void {
    if (!this.#isClosed) this.#timer = this.#clock.setTimer(() => this.#sweep(), SWEEP_MS)
  }

  #sweep(): void {
    for (const [lease, state] of this.#older) this.#registry.register(lease, state, state)
    this.#older = this.#young
    this.#young = new Map()
    this.#timer = undefined
    if (this.#older.size > 0) this.#schedule()
  }
}
