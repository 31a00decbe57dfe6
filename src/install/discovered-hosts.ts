import type { Client } from '../index.ts'

/** Hosts and origins that are remembered; beyond it they are looked up again. */
const MAX_KNOWN = 1_000

/** Which hosts a client discovers. Every request of the process asks, so answers are remembered. */
export class DiscoveredHosts {
  readonly #client: Pick<Client, 'discovers'>
  /** By host, and by origin. */
  readonly #known = new Map<string, boolean>()

  constructor(client: Pick<Client, 'discovers'>) {
    this.#client = client
  }

  /** @param host as the caller wrote it, without a port */
  has(host: unknown): boolean {
    if (typeof host !== 'string') return false
    return this.#known.get(host) ?? this.#remember(host, this.#client.discovers(host))
  }

  /** @param origin `http://orders.shop.local:8080`, as undici has it; of other schemes none is discovered */
  hasOrigin(origin: unknown): boolean {
    if (typeof origin !== 'string' && !(origin instanceof URL)) return false
    const key = typeof origin === 'string' ? origin : origin.origin
    return this.#known.get(key) ?? this.#remember(key, this.#isDiscovered(key))
  }

  #isDiscovered(origin: string): boolean {
    const url = URL.parse(origin)
    return (url?.protocol === 'http:' || url?.protocol === 'https:') && this.#client.discovers(url.hostname)
  }

  #remember(key: string, isDiscovered: boolean): boolean {
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.set(key, isDiscovered)
    return isDiscovered
  }
}
