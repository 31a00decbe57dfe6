import type { Random } from '../src/core/clock.ts'
import type { Endpoint, Snapshot } from '../src/discovery/endpoint.ts'
import type { View } from '../src/discovery/view/view.ts'
import type { VirtualTime } from './virtual-time.ts'

const SERVICE = { host: 'orders.shop.local', service: 'orders', namespace: 'shop.local' }

/** The tasks that are registered now. */
export class Registry {
  endpoints: readonly Endpoint[] = []
}

/** One client's view of a registry: the state at some moment within the last TTL, as caches return it. */
export class CachedView implements View {
  snapshot: Snapshot
  readonly error: undefined
  readonly #registry: Registry
  readonly #time: VirtualTime
  readonly #ttlMs: number

  constructor(registry: Registry, time: VirtualTime, ttlMs: number, random: Random) {
    this.#registry = registry
    this.#time = time
    this.#ttlMs = ttlMs
    this.snapshot = this.#look()
    // Clients start at different moments.
    time.setTimer(() => this.#refresh(), ttlMs * random.next())
  }

  /** Usable from the start, so calls never wait for it. */
  touch(): boolean {
    return true
  }
  async whenUsable(): Promise<void> {}
  /** Caches between a client and the registry return the same answer until the TTL ends. */
  refreshEarly(): void {}
  addLivenessSource(): void {}
  removeLivenessSource(): void {}

  #refresh(): void {
    if (this.snapshot.endpoints !== this.#registry.endpoints) this.snapshot = this.#look()
    this.#time.setTimer(() => this.#refresh(), this.#ttlMs)
  }

  #look(): Snapshot {
    return {
      service: SERVICE,
      endpoints: this.#registry.endpoints,
      complete: true,
      expiresAt: Number.POSITIVE_INFINITY,
      source: 'simulation',
      revision: undefined,
    }
  }
}
