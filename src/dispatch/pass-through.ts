import { Agent, Pool } from 'undici'

/**
 * What takes the requests of hosts that are not discovered: undici's `Agent`, but for its end. An Agent that was closed
 * forgets its pools, and `destroy()` does not reach the requests that are still under way on them.
 */
export class PassThrough extends Agent {
  readonly #pools: Set<Pool>

  constructor() {
    const pools = new Set<Pool>()
    super({
      factory(origin, options) {
        // An Agent closes those that are idle, and tells nobody.
        for (const pool of pools) if (pool.closed) pools.delete(pool)
        const opened = new Pool(origin, options)
        pools.add(opened)
        return opened
      },
    })
    this.#pools = pools
  }

  override destroy(first?: Error | null | (() => void), second?: () => void): Promise<void> & void {
    const error = typeof first === 'function' ? null : (first ?? null)
    for (const pool of this.#pools) void pool.destroy(error)
    return super.destroy(first as never, second as never) as never
  }
}
