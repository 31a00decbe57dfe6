import type { PickHint } from '../../cluster/cluster.ts'
import { RetryState } from '../retry/retry-state.ts'
import type { KnownRoute } from '../route-factory.ts'

/** What a lease and those that follow it by `again` have in common: what a `Call` is to its attempts. */
export class LeasedCall implements PickHint {
  readonly route: KnownRoute
  readonly method: string
  readonly path: string
  readonly idempotent: boolean
  readonly key: string | undefined
  readonly signal: AbortSignal | undefined
  readonly accepts: PickHint['accepts']
  /** Leases have no deadline. */
  readonly leftMs: number = Number.POSITIVE_INFINITY
  now = 0
  #retryState: RetryState | undefined = undefined

  constructor(
    route: KnownRoute,
    {
      method,
      path,
      idempotent,
      key,
      signal,
      accepts,
    }: Pick<LeasedCall, 'method' | 'path' | 'idempotent' | 'key' | 'signal' | 'accepts'>,
  ) {
    this.route = route
    this.method = method
    this.path = path
    this.idempotent = idempotent
    this.key = key
    this.signal = signal
    this.accepts = accepts
  }

  /** Made at the first failure. */
  get retryState(): RetryState {
    const { method, path, idempotent } = this
    return (this.#retryState ??= new RetryState(this.route, { method, path, idempotent }))
  }
}
