/**
 * How a response counts where its status does not say it: gRPC answers 200 whatever happened. What the option `classify`
 * returns.
 */
export interface Classification {
  /**
   * - `success`: the task did its work, as with 200 and 404.
   * - `failure`: it failed, as with 500. A task that fails much more often than its peers is ejected.
   * - `unavailable`: it cannot work now, as with 503: a failure, and it gets fewer calls for a while.
   * - `overloaded`: it refuses calls, as with 429: it gets fewer calls for a while, and is not ejected for it.
   * - `ignored`: says nothing about the task.
   */
  readonly kind: 'success' | 'failure' | 'unavailable' | 'overloaded' | 'ignored'
  /**
   * Which requests may be sent again ['never']: those that are `idempotent`, or `any`, since the task has not processed it.
   * Without effect once the response has been passed on, as with trailers.
   */
  readonly retry?: 'never' | 'idempotent' | 'any' | undefined
  /** How long the task asks not to be called, in ms [its `Retry-After`]. */
  readonly retryAfterMs?: number | undefined
  /** For events and errors, e.g. `grpc-status 14 (UNAVAILABLE)` [the status]. */
  readonly reason?: string | undefined
}

/** What counts about a response: its status, and what was made of it. */
interface Classified {
  readonly status: number
  readonly classified?: Classification
}

/** Whether it counts as a success of the task, or at least not as its fault. */
export function isGood({ status, classified }: Classified): boolean {
  if (classified === undefined) return status < 500
  return classified.kind !== 'failure' && classified.kind !== 'unavailable'
}

/** Whether the task wants fewer calls for a while. */
export function isRefusal({ status, classified }: Classified): boolean {
  if (classified === undefined) return status === 503 || status === 429
  return classified.kind === 'unavailable' || classified.kind === 'overloaded'
}

/** Whether the response may be followed by another attempt. */
export function mayNeedRetry({ kind, retry = 'never' }: Classification): boolean {
  return kind !== 'success' || retry !== 'never'
}
