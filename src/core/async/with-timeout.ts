import type { Clock } from '../clock.ts'

export interface TimeLimit {
  readonly clock: Clock
  readonly limitMs: number
  /** The caller's: its reason is what the promise rejects with [none]. */
  readonly signal?: AbortSignal | undefined
  /** What the promise rejects with when the time is over. */
  readonly late: () => Error
}

/**
 * Runs `work` with a signal of its own, that aborts with the caller's or when the time is over. The promise
 * rejects at that moment, whether `work` heeds its signal or not.
 */
export function inTime<Result>(
  { clock, limitMs, signal, late }: TimeLimit,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason as Error)
    // Not AbortSignal.any: the caller's signal may live as long as the client, and would collect these.
    const own = new AbortController()
    const settle = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
    const stop = (reason: unknown): void => {
      settle()
      own.abort(reason)
      reject(reason)
    }
    const onAbort = (): void => stop(signal?.reason)
    const timer = clock.setTimer(() => stop(late()), limitMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    work(own.signal).then(resolve, reject).finally(settle)
  })
}
