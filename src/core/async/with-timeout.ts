import { setLimit, type Clock } from '../clock.ts'
import { abortable } from './abortable.ts'

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
 * rejects at that moment, whether `work` heeds its signal or not. An answer counts that arrived in time at a process that was busy.
 */
export async function inTime<Result>(
  { clock, limitMs, signal, late }: TimeLimit,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted()
  // Not AbortSignal.any: the caller's signal may live as long as the client, and would collect these.
  const own = new AbortController()
  const onAbort = (): void => own.abort(signal?.reason)
  const timer = setLimit(clock, limitMs, () => own.abort(late()))
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await abortable(work(own.signal), own.signal)
  } finally {
    timer.cancel()
    signal?.removeEventListener('abort', onAbort)
  }
}
